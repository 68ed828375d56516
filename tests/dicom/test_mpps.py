"""Modality Performed Procedure Step, asked by a stock pynetdicom modality."""

from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, generate_uid
from pynetdicom import AE, dsutils
from pynetdicom.dimse_primitives import N_CREATE
from pynetdicom.sop_class import ModalityPerformedProcedureStep as Mpps

from radir_node.domain.procedure_step import ProcedureStepState
from radir_node.domain.study import Evidence

STUDY = "1.2.826.0.1.3680043.8.498.1"


@pytest.fixture
def modality(node):
    """An association of a modality that speaks Implicit VR only."""
    ae = AE("CT_SCANNER")
    ae.add_requested_context(Mpps, ImplicitVRLittleEndian)
    association = ae.associate(node.peer.host, node.peer.port, ae_title="RADIR")
    assert association.is_established
    yield association
    association.release()


def raw_create(association, uid: str | None, data: bytes) -> N_CREATE:
    """Send an N-CREATE with any bytes for a data set; return the response as it came."""
    request = N_CREATE()
    request.MessageID, request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = 7, Mpps, uid
    request.AttributeList = BytesIO(data)
    association._reactor_checkpoint.clear()
    association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
    _, response = association.dimse.get_msg(block=True)
    association._reactor_checkpoint.set()
    return response


def begun(*studies: str) -> Dataset:
    """The attributes of an N-CREATE as a modality sends them."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.TimezoneOffsetFromUTC = "+0100"
    ds.PatientName = "Müller^Jörg"
    ds.PerformedProcedureStepID = "STEP1"
    ds.PerformedProcedureStepStatus = "IN PROGRESS"
    ds.PerformedSeriesSequence = []
    ds.ScheduledStepAttributesSequence = []
    for uid in studies or (STUDY,):
        item = Dataset()
        item.StudyInstanceUID = uid
        ds.ScheduledStepAttributesSequence.append(item)
    return ds


def ended(state: str, *instances: str) -> Dataset:
    """The attributes of the last N-SET."""
    ds = Dataset()
    ds.PerformedProcedureStepStatus = state
    series = Dataset()
    series.SeriesInstanceUID = generate_uid()
    series.ReferencedImageSequence = [reference(uid) for uid in instances]
    ds.PerformedSeriesSequence = [series]
    return ds


def reference(uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    item.ReferencedSOPInstanceUID = uid
    return item


def test_a_step_is_created_changed_and_completed(node, modality):
    """What a modality says of a step is kept, and its end announces the instances that make the study."""
    uid, made = generate_uid(), [generate_uid() for _ in range(3)]

    created, _ = modality.send_n_create(begun(), Mpps, uid)
    in_progress = node.promises.steps[uid]
    progressed, _ = modality.send_n_set(ended("IN PROGRESS"), Mpps, uid)
    announced_before = list(node.promises.announced)
    completed, _ = modality.send_n_set(ended("COMPLETED", *made), Mpps, uid)

    assert [0, 0, 0] == [response.Status for response in (created, progressed, completed)]
    assert (ProcedureStepState.IN_PROGRESS, (STUDY,)) == (in_progress.state, in_progress.study_instance_uids)
    assert "CT_SCANNER" == in_progress.calling_ae_title
    assert ProcedureStepState.COMPLETED is node.promises.steps[uid].state
    assert [] == announced_before
    assert [(STUDY, set(made), Evidence.MPPS)] == node.promises.announced


def test_attributes_of_create_and_set_are_kept_together_in_one_character_set(node, modality):
    """A name in Latin-1 is readable in what is kept, beside the attributes that came later."""
    uid = generate_uid()

    modality.send_n_create(begun(), Mpps, uid)
    modality.send_n_set(ended("COMPLETED", generate_uid()), Mpps, uid)

    kept = dsutils.decode(BytesIO(node.promises.steps[uid].dataset), False, True)
    assert "Müller^Jörg" == str(kept.PatientName)
    assert "COMPLETED" == kept.PerformedProcedureStepStatus
    assert "STEP1" == kept.PerformedProcedureStepID


def test_a_step_of_several_studies_waits_for_all_that_it_made(node, modality):
    """Each of the studies of one step is announced with every instance of the step."""
    uid, made, studies = generate_uid(), {generate_uid(), generate_uid()}, [generate_uid(), generate_uid()]

    modality.send_n_create(begun(*studies), Mpps, uid)
    modality.send_n_set(ended("COMPLETED", *made), Mpps, uid)

    assert [(study, made, Evidence.MPPS) for study in studies] == node.promises.announced


@pytest.mark.parametrize(("state", "instances"), [("COMPLETED", 0), ("DISCONTINUED", 2)])
def test_a_step_that_names_nothing_or_was_broken_off_announces_nothing(node, modality, state, instances):
    """Its images may be on their way, or never come: the quiet time decides."""
    uid = generate_uid()

    modality.send_n_create(begun(), Mpps, uid)
    response, _ = modality.send_n_set(ended(state, *(generate_uid() for _ in range(instances))), Mpps, uid)

    assert 0 == response.Status
    assert [] == node.promises.announced


@pytest.mark.parametrize("last", ["COMPLETED", "DISCONTINUED"])
def test_an_ended_step_may_no_longer_be_updated(node, modality, last):
    """A second end is refused as the standard says, and changes nothing (PS3.4 F.7.2.2.2)."""
    uid = generate_uid()
    modality.send_n_create(begun(), Mpps, uid)
    modality.send_n_set(ended(last), Mpps, uid)
    before = node.promises.steps[uid]

    response, _ = modality.send_n_set(ended("COMPLETED", generate_uid()), Mpps, uid)

    assert (0x0110, 0xA506) == (response.Status, response.ErrorID)
    assert before == node.promises.steps[uid]
    assert [] == node.promises.announced


def test_a_step_is_created_once(node, modality):
    """The second N-CREATE of a SOP Instance UID is a duplicate."""
    uid = generate_uid()

    first, _ = modality.send_n_create(begun(), Mpps, uid)
    second, _ = modality.send_n_create(begun(generate_uid()), Mpps, uid)

    assert [0, 0x0111] == [first.Status, second.Status]
    assert (STUDY,) == node.promises.steps[uid].study_instance_uids


def test_a_step_that_nobody_created_is_not_set(node, modality):
    """An N-SET of an unknown SOP Instance UID names no object."""
    response, _ = modality.send_n_set(ended("COMPLETED"), Mpps, generate_uid())

    assert 0x0112 == response.Status


def test_the_node_names_a_step_that_its_modality_did_not_name(node, modality):
    """Without Affected SOP Instance UID the node makes one and says which (PS3.7 10.1.5.1.4)."""
    response = raw_create(modality, None, dsutils.encode(begun(), True, True))

    assert 0 == response.Status
    assert {response.AffectedSOPInstanceUID} == set(node.promises.steps)


@pytest.mark.parametrize(
    ("keyword", "value", "status"),
    [
        ("PerformedProcedureStepStatus", None, 0x0120),
        ("PerformedProcedureStepStatus", "COMPLETED", 0x0106),
        ("PerformedProcedureStepStatus", "RUNNING", 0x0106),
        ("ScheduledStepAttributesSequence", None, 0x0120),
        ("ScheduledStepAttributesSequence", [], 0x0120),
        ("ScheduledStepAttributesSequence", [Dataset()], 0x0121),
    ],
)
def test_what_a_step_must_say_is_asked_for(node, modality, keyword, value, status):
    """A step without state or study is refused with the status for it, and nothing is kept."""
    ds = begun()
    if value is None:
        delattr(ds, keyword)
    else:
        setattr(ds, keyword, value)

    response, _ = modality.send_n_create(ds, Mpps, generate_uid())

    assert status == response.Status
    assert {} == node.promises.steps


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x00\x05\x00\xff\xff\xff\x7fISO",
        b"\x40\x00\x70\x02\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff" * 3000,
        b"\xff" * 999,
    ],
    ids=["truncated", "deep", "noise"],
)
def test_a_hostile_data_set_gets_one_status(modality, data):
    """Bytes that are no data set are answered with a failure, and the association goes on."""
    response = raw_create(modality, generate_uid(), data)
    after, _ = modality.send_n_create(begun(), Mpps, generate_uid())

    assert response.Status in (0x0110, 0x0120)
    assert 0 == after.Status


def test_a_catalogue_that_is_away_is_said_to_be(node, modality):
    """Nothing is acknowledged that is not kept."""
    node.promises.down = True

    response, _ = modality.send_n_create(begun(), Mpps, generate_uid())

    assert 0x0213 == response.Status
