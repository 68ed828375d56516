"""Instance Availability Notification, sent by a stock pynetdicom archive."""

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import InstanceAvailabilityNotification as Ian

from radir_node.domain.study import Evidence

STUDY = "1.2.826.0.1.3680043.8.498.2"


@pytest.fixture
def archive(node):
    """An association of an archive."""
    ae = AE("PACS")
    ae.add_requested_context(Ian)
    association = ae.associate(node.peer.host, node.peer.port, ae_title="RADIR")
    assert association.is_established
    yield association
    association.release()


def notification(availability: dict[str, str]) -> Dataset:
    """An IAN about SOP Instance UID -> Instance Availability, each in a series of its own."""
    ds = Dataset()
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.StudyInstanceUID = STUDY
    ds.ReferencedSeriesSequence = []
    for uid, state in availability.items():
        item = Dataset()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
        item.ReferencedSOPInstanceUID = uid
        item.InstanceAvailability = state
        item.RetrieveAETitle = "PACS"
        series = Dataset()
        series.SeriesInstanceUID = generate_uid()
        series.ReferencedSOPSequence = [item]
        ds.ReferencedSeriesSequence.append(series)
    return ds


def test_what_an_archive_has_is_what_the_study_is(node, archive):
    """Every instance that can be fetched is announced, whatever the way to it; one that cannot is not waited for."""
    states = {generate_uid(): state for state in ("ONLINE", "NEARLINE", "OFFLINE", "UNAVAILABLE")}

    response, _ = archive.send_n_create(notification(states), Ian, generate_uid())

    expected = {uid for uid, state in states.items() if state != "UNAVAILABLE"}
    assert 0 == response.Status
    assert [(STUDY, expected, Evidence.IAN)] == node.promises.announced


def test_a_notification_may_be_repeated(node, archive):
    """An archive that missed the answer sends the same again, and hears the same."""
    uid, ds = generate_uid(), notification({generate_uid(): "ONLINE"})

    statuses = [archive.send_n_create(ds, Ian, uid)[0].Status for _ in range(2)]

    assert [0, 0] == statuses
    assert node.promises.announced[0] == node.promises.announced[1]


def test_a_notification_of_nothing_available_announces_nothing(node, archive):
    """A study of which nothing is left is not complete because of that."""
    response, _ = archive.send_n_create(notification({generate_uid(): "UNAVAILABLE"}), Ian, generate_uid())

    assert 0 == response.Status
    assert [] == node.promises.announced


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("StudyInstanceUID", None, 0x0120),
        ("StudyInstanceUID", "", 0x0120),
        ("StudyInstanceUID", "1.2; drop table study", 0x0106),
        ("ReferencedSeriesSequence", None, 0x0120),
        ("ReferencedSeriesSequence", [], 0x0120),
    ],
)
def test_a_notification_that_names_no_study_is_refused(node, archive, keyword, value, status):
    """What a notification must hold is asked for by its status, and nothing is announced."""
    ds = notification({generate_uid(): "ONLINE"})
    if value is None:
        delattr(ds, keyword)
    else:
        setattr(ds, keyword, value)

    response, _ = archive.send_n_create(ds, Ian, generate_uid())

    assert status == response.Status
    assert [] == node.promises.announced


def test_a_catalogue_that_is_away_is_said_to_be(node, archive):
    """Nothing is acknowledged that was not taken."""
    node.promises.down = True

    response, _ = archive.send_n_create(notification({generate_uid(): "ONLINE"}), Ian, generate_uid())

    assert 0x0213 == response.Status
