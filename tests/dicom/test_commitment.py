"""Storage commitment, asked by stock pynetdicom, which also receives the reports."""

from collections.abc import Callable, Iterable
from queue import Queue

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    generate_uid,
)
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel as Commitment
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyFind

from dicom_services import commitment_messages
from dicom_services.commitment_messages import SOP_INSTANCE_UID, request_dataset
from dicom_services.scp import association as session
from dicom_services.scp.notification import commitment
from radir_node.domain.commitment import SopReference
from radir_node.domain.study import Evidence


class Modality:
    """A stock SCU that keeps the reports it is given."""

    def __init__(self, node, ae_title: str = "CT_SCANNER") -> None:
        self.node = node
        self.ae = AE(ae_title)
        self.reports: Queue[tuple[int, Dataset]] = Queue()
        self.answer = 0x0000
        self.on_report: Callable[[], None] = lambda: None

    def associate(self, *contexts: str, transfer_syntax: str = ImplicitVRLittleEndian):
        self.ae.requested_contexts = []
        for sop_class in contexts or (Commitment, CTImageStorage):
            self.ae.add_requested_context(sop_class, transfer_syntax)
        association = self.ae.associate(
            self.node.peer.host,
            self.node.peer.port,
            ae_title="RADIR",
            evt_handlers=[(evt.EVT_N_EVENT_REPORT, self._report)],
        )
        assert association.is_established
        return association

    def _report(self, event: evt.Event) -> tuple[int, None]:
        self.on_report()
        self.reports.put((event.event_type, event.event_information))
        return self.answer, None

    def store(self, association, count: int = 1, **attributes: object) -> list[SopReference]:
        stored = []
        for _ in range(count):
            ds = self.image(**attributes)
            assert 0 == association.send_c_store(ds).Status
            stored.append(SopReference(ds.SOPClassUID, ds.SOPInstanceUID))
        return stored

    def image(self, **attributes: object) -> Dataset:
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
        ds.PatientID, ds.Modality = "PID-1", "CT"
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)
        ds.file_meta = Dataset()
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        return ds


def ask(association, references: Iterable[SopReference], transaction_uid: str = "", **changed: object) -> int:
    """Send an N-ACTION; return its status."""
    uid = transaction_uid or generate_uid()
    action = {"action_type": 1, "instance_uid": SOP_INSTANCE_UID} | changed
    dataset = action.pop("dataset", None) or request_dataset(uid, references)
    response, _ = association.send_n_action(dataset, class_uid=Commitment, **action)
    return int(response.Status)


def instances(dataset: Dataset, keyword: str = "ReferencedSOPSequence") -> set[str]:
    return {item.ReferencedSOPInstanceUID for item in dataset.get(keyword, [])}


@pytest.fixture(autouse=True)
def short_pause(monkeypatch):
    """A caller counts as silent soon."""
    monkeypatch.setattr(session, "PAUSE_SECONDS", 0.2)


@pytest.fixture
def modality(node) -> Modality:
    return Modality(node)


@pytest.mark.parametrize(
    "transfer_syntax",
    [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_a_caller_that_stays_is_answered_on_its_association(modality, transfer_syntax):
    """What was acknowledged a moment ago is committed, in a report over the association of the request."""
    sending = modality.associate()
    sent = modality.store(sending, 3)
    association = modality.associate(Commitment, transfer_syntax=transfer_syntax)
    transaction = generate_uid()

    status = ask(association, sent, transaction)
    event_type, report = modality.reports.get(timeout=10)

    assert 0 == status
    assert (1, transaction) == (event_type, report.TransactionUID)
    assert {reference.sop_instance_uid for reference in sent} == instances(report)
    assert "RADIR" == report.RetrieveAETitle
    assert "FailedSOPSequence" not in report
    association.release()
    sending.release()


def test_what_is_not_here_fails_with_its_reason(modality):
    """One report names what is committed and what is not, and why."""
    association = modality.associate()
    (kept,) = modality.store(association)
    (other,) = modality.store(association)
    missing = SopReference(CTImageStorage, generate_uid())
    conflict = SopReference(MRImageStorage, other.sop_instance_uid)

    ask(association, [kept, missing, conflict])
    event_type, report = modality.reports.get(timeout=10)

    failed = {item.ReferencedSOPInstanceUID: item.FailureReason for item in report.FailedSOPSequence}
    assert 2 == event_type
    assert {kept.sop_instance_uid} == instances(report)
    assert {missing.sop_instance_uid: 0x0112, conflict.sop_instance_uid: 0x0119} == failed
    association.release()


def test_a_request_of_which_everything_failed_is_answered_too(modality):
    """A report without one committed object has no Referenced SOP Sequence (PS3.4 J.3.3.1)."""
    association = modality.associate(Commitment)

    ask(association, [SopReference(CTImageStorage, generate_uid()) for _ in range(2)])
    event_type, report = modality.reports.get(timeout=10)

    assert (2, 2) == (event_type, len(report.FailedSOPSequence))
    assert "ReferencedSOPSequence" not in report
    assert "RetrieveAETitle" not in report
    association.release()


def test_a_caller_that_leaves_is_answered_on_its_next_association(modality, node):
    """The report of a caller that released at once comes over its next association with storage commitment."""
    first = modality.associate()
    sent = modality.store(first)
    ask(first, sent)
    first.release()
    assert [] == node.promises.delivered_reports

    second = modality.associate(Commitment)
    _, report = modality.reports.get(timeout=10)

    assert {sent[0].sop_instance_uid} == instances(report)
    second.release()


def test_a_caller_hears_its_own_reports_only(modality, node):
    """Another AE title that negotiates storage commitment is told nothing of the request."""
    first = modality.associate()
    ask(first, modality.store(first))
    first.release()
    other = Modality(node, "OTHER")

    elsewhere = other.associate(Commitment)
    again = modality.associate(Commitment)
    modality.reports.get(timeout=10)

    assert other.reports.empty()
    for association in (elsewhere, again):
        association.release()


def test_many_reports_come_one_after_the_other(modality, node):
    """Each request is answered by a report of its own; one is under way at a time."""
    association = modality.associate()
    transactions = [generate_uid() for _ in range(5)]
    for uid in transactions:
        ask(association, modality.store(association), uid)

    heard = [modality.reports.get(timeout=10)[1].TransactionUID for _ in transactions]

    assert transactions == heard
    association.release()


def test_a_busy_caller_is_not_interrupted(modality, node, wait, monkeypatch):
    """While a caller keeps asking, it gets the responses to that; the report waits until it is silent."""
    monkeypatch.setattr(session, "PAUSE_SECONDS", 2.0)
    association = modality.associate(Commitment, CTImageStorage, StudyFind)
    ask(association, modality.store(association))
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", ""

    statuses = [status.Status for _ in range(20) for status, _ in association.send_c_find(query, StudyFind)]

    assert {0xFF00, 0} == set(statuses)
    assert modality.reports.empty()
    modality.reports.get(timeout=10)
    wait(lambda: len(node.promises.delivered_reports) == 1, 10, lambda: "the answer to the report was not noted")
    association.release()


def test_a_report_that_is_refused_is_still_owed(modality, node, wait):
    """The answer of the caller decides: with a failure the report comes again, on another occasion."""
    modality.answer = 0x0110
    association = modality.associate()
    ask(association, modality.store(association))
    modality.reports.get(timeout=10)
    wait(lambda: bool(node.promises.postponed_reasons), 10, lambda: "not postponed")
    association.release()
    modality.answer = 0x0000

    association = modality.associate(Commitment)
    modality.reports.get(timeout=10)

    assert "the peer answered 0x0110" == node.promises.postponed_reasons[0]
    association.release()


def test_a_report_whose_association_ends_is_still_owed(modality, node, wait):
    """A caller that aborts while it is told leaves the report for another occasion."""
    association = modality.associate()
    ask(association, modality.store(association))
    modality.on_report = association.abort

    wait(lambda: bool(node.promises.postponed_reasons), 10, lambda: "not postponed")
    assert [] == node.promises.delivered_reports


def test_what_came_before_a_request_is_registered_before_it_is_judged(modality, node):
    """Objects of the same association that still lie in the spool count: the request waits for them."""
    association = modality.associate()

    for _ in range(3):
        ask(association, modality.store(association, 10))

    reports = [modality.reports.get(timeout=10) for _ in range(3)]
    assert [(1, 10)] * 3 == [(event_type, len(report.ReferencedSOPSequence)) for event_type, report in reports]
    association.release()


def test_a_request_is_refused_when_the_catalogue_is_behind(modality, node, monkeypatch):
    """What cannot be judged soon is refused as a matter of resources; nothing is promised."""
    monkeypatch.setattr(commitment, "PATIENCE_SECONDS", 0.1)
    association = modality.associate()
    sent = modality.store(association)
    node.archive.down = True
    sent += modality.store(association)

    status = ask(association, sent)

    assert 0x0213 == status
    assert [] == node.promises.requested
    node.held.down = False
    association.release()


def test_a_request_that_cannot_be_kept_is_refused(modality, node):
    """Success means durable: without the catalogue there is none."""
    association = modality.associate(Commitment)
    node.promises.down = True

    status = ask(association, [SopReference(CTImageStorage, generate_uid())])

    assert 0x0213 == status
    association.release()


MALFORMED: dict[str, tuple[Callable[[], dict[str, object]], int]] = {
    "another instance": (lambda: {"instance_uid": "1.2.3"}, 0x0112),
    "another action": (lambda: {"action_type": 2}, 0x0123),
    "no transaction": (lambda: {"dataset": _without("TransactionUID")}, 0x0115),
    "no objects": (lambda: {"dataset": _without("ReferencedSOPSequence")}, 0x0115),
    "no class": (lambda: {"dataset": _item(sop_class_uid="")}, 0x0115),
    "no uid": (lambda: {"dataset": _item(sop_instance_uid="all of them")}, 0x0115),
    "too many": (lambda: {"dataset": _many()}, 0x0213),
}


def _without(keyword: str) -> Dataset:
    dataset = request_dataset(generate_uid(), [SopReference(CTImageStorage, generate_uid())])
    delattr(dataset, keyword)
    return dataset


def _item(**changed: str) -> Dataset:
    return request_dataset(
        generate_uid(), [SopReference(**{"sop_class_uid": CTImageStorage, "sop_instance_uid": "1.2.3"} | changed)]
    )


def _many() -> Dataset:
    return request_dataset(generate_uid(), [SopReference(CTImageStorage, "1.2.3")] * 11)


@pytest.mark.parametrize(("changed", "expected"), MALFORMED.values(), ids=MALFORMED)
def test_a_request_that_cannot_be_understood_is_refused(modality, node, changed, expected, monkeypatch):
    """Each fault of a request has its status, and nothing is promised."""
    monkeypatch.setattr(commitment_messages, "MOST_REFERENCES", 10)
    association = modality.associate(Commitment)

    status = ask(association, [SopReference(CTImageStorage, generate_uid())], **changed())

    assert expected == status
    assert [] == node.promises.requested
    association.release()


def test_a_request_that_covers_a_study_says_that_it_is_complete(modality, node, wait):
    """Only a request for all that is here of a study is a sign of completion; one for a part of it is none."""
    association = modality.associate()
    study = generate_uid()
    sent = modality.store(association, 4, StudyInstanceUID=study)

    ask(association, sent[:2])
    ask(association, [*sent, SopReference(CTImageStorage, generate_uid())])
    before = list(node.promises.announced)
    ask(association, sent)

    wait(lambda: bool(node.promises.announced), 10, lambda: "not announced")
    assert [] == before
    assert [(study, {item.sop_instance_uid for item in sent}, Evidence.COMMITMENT)] == node.promises.announced
    association.release()


class Archive:
    """A stock PACS that opens an association to report what it keeps, as SCP of storage commitment."""

    def __init__(self, node, roles: bool) -> None:
        ae = AE("PACS")
        ae.add_requested_context(Commitment, ImplicitVRLittleEndian)
        role = [build_role(Commitment, scu_role=False, scp_role=True)] if roles else []
        self.association = ae.associate(node.peer.host, node.peer.port, ae_title="RADIR", ext_neg=role)
        assert self.association.is_established

    def report(self, dataset: Dataset, event_type: int) -> int:
        response, _ = self.association.send_n_event_report(dataset, event_type, Commitment, SOP_INSTANCE_UID)
        return int(response.Status)


def told(transaction: str, committed: Iterable[str] = (), failed: Iterable[str] = ()) -> Dataset:
    dataset = Dataset()
    dataset.TransactionUID = transaction
    for keyword, uids in (("ReferencedSOPSequence", committed), ("FailedSOPSequence", failed)):
        items = []
        for uid in uids:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid
            if keyword == "FailedSOPSequence":
                item.FailureReason = 0x0112
            items.append(item)
        if items:
            setattr(dataset, keyword, items)
    return dataset


@pytest.fixture(params=[True, False], ids=["role selection", "no roles"])
def pacs(request, node):
    archive = Archive(node, roles=request.param)
    yield archive
    archive.association.release()


def test_the_report_of_an_archive_is_taken(node, pacs):
    """An archive that takes the SCP role tells which of the node's objects it keeps."""
    transaction, kept, lost = generate_uid(), generate_uid(), generate_uid()
    node.promises.asked_of_peers.add(transaction)

    status = pacs.report(told(transaction, [kept], [lost]), 2)

    ((calling_ae_title, report),) = node.promises.confirmed
    assert (0, "PACS", transaction) == (status, calling_ae_title, report.transaction_uid)
    assert [kept] == [reference.sop_instance_uid for reference in report.committed]
    assert [(lost, 0x0112)] == [(each.reference.sop_instance_uid, each.reason) for each in report.failed]


def test_a_report_about_what_was_never_asked_is_refused(pacs):
    """The node says that it does not know the transaction."""
    status = pacs.report(told(generate_uid(), [generate_uid()]), 1)

    assert 0x0115 == status


@pytest.mark.parametrize(("event_type", "transaction", "expected"), [(3, "1.2.3", 0x0113), (1, "", 0x0115)])
def test_a_report_that_cannot_be_understood_is_refused(node, pacs, event_type, transaction, expected):
    """Each fault of a report has its status."""
    status = pacs.report(told(transaction, [generate_uid()]), event_type)

    assert expected == status
    assert [] == node.promises.confirmed
