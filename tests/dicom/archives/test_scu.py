"""The node as client: real peers are asked, counted, sent to, committed with; every failure is one clear error."""

import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, generate_uid
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import CTImageStorage, StorageCommitmentPushModel, Verification
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind

from dicom_services.dul.errors import Rejected
from dicom_services.objects.stored_object import dataset_offset, describe
from dicom_services.scu.association import associate
from dicom_services.scu.caller import Caller
from dicom_services.scu.commitment import request_commitment
from dicom_services.scu.echo import echo
from dicom_services.scu.event_report import reporting
from dicom_services.scu.find import CONTEXTS, count_at, find
from dicom_services.scu.outcome import Outcome, of_failure, of_status
from dicom_services.scu.send import send_files
from dicom_services.scu.store import NO_RESPONSE, NOT_SENT, UNREADABLE
from radir_node.domain.commitment import CommitmentReport, FailedReference, SopReference
from radir_node.errors import DatabaseDown, PeerUnavailable, UserError
from radir_node.settings import Peer, Timeouts

CALLER = Caller("RADIR")
HASTY = Caller("RADIR", Timeouts(response_seconds=0.5))


@contextmanager
def served(*sop_classes: str, handlers=(), ae_title: str = "PEER"):
    """A stock pynetdicom server; yields it as a peer of the node."""
    application = AE(ae_title)
    for sop_class in sop_classes:
        application.add_supported_context(sop_class, scu_role=True, scp_role=True)
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers))
    try:
        yield Peer(ae_title=ae_title, host="127.0.0.1", port=server.server_address[1])
    finally:
        server.shutdown()


def study_query(**keys: str) -> Dataset:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


def test_find_at_dcmqrscp(start_pacs, make_study):
    """Every match is yielded; with a limit the rest is cancelled and the association stays usable."""
    pacs = start_pacs()
    studies = [make_study(1) for _ in range(5)]
    send_files(pacs.peer, [study.files[0] for study in studies], CALLER)

    with associate(pacs.peer, CALLER, CONTEXTS) as requestor:
        some = list(find(requestor, study_query(StudyInstanceUID=""), limit=2))
        everything = list(find(requestor, study_query(StudyInstanceUID="")))

    assert 2 == len(some)
    assert {study.uid for study in studies} == {str(match.StudyInstanceUID) for match in everything}


def test_find_that_fails():
    """A failure status is an error that names the peer."""
    failing = [(evt.EVT_C_FIND, lambda event: iter([(0xA700, None)]))]

    with (
        served(StudyRootFind, handlers=failing) as peer,
        pytest.raises(PeerUnavailable, match="PEER answers C-FIND with 0xA700"),
        associate(peer, CALLER, CONTEXTS) as requestor,
    ):
        list(find(requestor, study_query(StudyInstanceUID="")))


def test_count_at_dcmqrscp(start_pacs, make_study):
    """The count at an archive is what it holds of the study; 0 when it does not know it."""
    pacs = start_pacs()
    study = make_study(3)
    send_files(pacs.peer, study.files, CALLER)

    assert 3 == count_at(pacs.peer, CALLER, study.uid)
    assert 0 == count_at(pacs.peer, CALLER, generate_uid())


@pytest.mark.parametrize("counted", ["study", "series", "nothing"])
def test_count_at_archives_that_count_little(counted):
    """An archive that does not count studies is asked for its series, one that counts neither for its instances."""
    held = {"1.2.1": 2, "1.2.2": 5}

    def answer(event: evt.Event):
        query = event.identifier
        if query.QueryRetrieveLevel == "STUDY":
            total = sum(held.values()) if counted == "study" else None
            yield 0xFF00, study_query(NumberOfStudyRelatedInstances=total)
        elif query.QueryRetrieveLevel == "SERIES":
            for uid, n in held.items():
                number = n if counted == "series" else None
                yield 0xFF00, study_query(SeriesInstanceUID=uid, NumberOfSeriesRelatedInstances=number)
        else:
            for n in range(held[query.SeriesInstanceUID]):
                yield 0xFF00, study_query(SOPInstanceUID=f"1.3.{n}")

    with served(StudyRootFind, handlers=[(evt.EVT_C_FIND, answer)]) as peer:
        assert 7 == count_at(peer, CALLER, "1.2")


def test_peer_that_never_answers():
    """A peer that accepts an association and stays silent costs the response deadline, no more."""
    silence = threading.Event()

    def wait_long(event: evt.Event) -> int:
        silence.wait(20)
        return 0

    with served(Verification, handlers=[(evt.EVT_C_ECHO, wait_long)]) as peer:
        started = time.monotonic()
        with pytest.raises(PeerUnavailable, match=r"^PEER at 127\.0\.0\.1:\d+: a deadline passed$"):
            echo(peer, HASTY)
        took = time.monotonic() - started
        silence.set()

    assert 0.5 <= took < 5


def test_peer_that_answers_nonsense():
    """A peer that is no DICOM server is one clear error."""

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with closing(connection):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=answer, args=[listener], daemon=True).start()
        peer = Peer(ae_title="WEB", host="127.0.0.1", port=listener.getsockname()[1])

        with pytest.raises(PeerUnavailable, match=r"^WEB at 127\.0\.0\.1:\d+: a PDU of unknown type$"):
            echo(peer, CALLER)


def test_rejection_keeps_its_codes():
    """A rejected association says whether it is for good."""
    with served(Verification, ae_title="RIGHT") as peer:
        application = AE("RIGHT")
        application.require_called_aet = True
        application.add_supported_context(Verification)
        strict = application.start_server(("127.0.0.1", 0), block=False)
        wrong = Peer(ae_title="WRONG", host=peer.host, port=strict.server_address[1])

        with pytest.raises(Rejected) as raised:
            echo(wrong, CALLER)
        strict.shutdown()

    assert (1, 1, 7) == (raised.value.result, raised.value.source, raised.value.reason)
    assert Outcome.PERMANENT == of_failure(raised.value)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (0x0000, Outcome.DELIVERED),
        (0xB000, Outcome.DELIVERED),
        (0xB006, Outcome.DELIVERED),
        (0xB007, Outcome.DELIVERED),
        (0x0111, Outcome.DELIVERED),
        (0xA700, Outcome.TRANSIENT),
        (0xA7FF, Outcome.TRANSIENT),
        (0x0110, Outcome.TRANSIENT),
        (0x0213, Outcome.TRANSIENT),
        (NO_RESPONSE, Outcome.TRANSIENT),
        (0x0117, Outcome.PERMANENT),
        (0x0122, Outcome.PERMANENT),
        (0x0124, Outcome.PERMANENT),
        (0xA900, Outcome.PERMANENT),
        (0xC000, Outcome.PERMANENT),
        (0xC123, Outcome.PERMANENT),
        (NOT_SENT, Outcome.PERMANENT),
        (UNREADABLE, Outcome.PERMANENT),
    ],
    ids=lambda value: f"{value:04X}" if isinstance(value, int) else str(value),
)
def test_outcome_of_a_status(status, outcome):
    """A status is delivered, worth another try, or final (PS3.4 B.2.3)."""
    assert outcome == of_status(status)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PeerUnavailable("does not answer"), Outcome.TRANSIENT),
        (DatabaseDown("away"), Outcome.TRANSIENT),
        (Rejected("busy", 2, 3, 1), Outcome.TRANSIENT),
        (Rejected("unknown", 1, 1, 3), Outcome.PERMANENT),
        (Rejected("none of the contexts"), Outcome.PERMANENT),
        (UserError("no such peer"), Outcome.PERMANENT),
    ],
    ids=str,
)
def test_outcome_of_a_failure(error, outcome):
    """A peer that is away comes back; one that rejects for good does not change its mind."""
    assert outcome == of_failure(error)


def test_send_is_one_result_per_file(make_file, tmp_path):
    """What is no DICOM file, and what the peer takes in no form, is told apart from what it took."""
    good = make_file()
    broken = make_file(transfer_syntax=JPEG2000Lossless, PixelData=encapsulate([b"no JPEG 2000"]))
    text = tmp_path / "text.dcm"
    text.write_text("no DICOM")
    done = []

    with served(CTImageStorage, handlers=[(evt.EVT_C_STORE, lambda event: 0)]) as peer:
        result = send_files(peer, [good, text, broken], CALLER, done.append)

    assert [0x0000, UNREADABLE, NOT_SENT] == [status for _, status in result.outcomes]
    assert (1, 2) == (result.sent, result.failed)
    assert [1, 2, 3] == done


def test_send_to_a_peer_that_dies(make_study):
    """What was acknowledged before the peer broke down counts; the rest is not answered for, and nothing is raised."""
    study = make_study(6)
    taken = []

    def store(event: evt.Event) -> int:
        if len(taken) == 2:
            event.assoc.abort()
        else:
            taken.append(str(event.request.AffectedSOPInstanceUID))
        return 0

    with served(CTImageStorage, handlers=[(evt.EVT_C_STORE, store)]) as peer:
        result = send_files(peer, study.files, CALLER)

    assert [0, 0, *[NO_RESPONSE] * 4] == [status for _, status in result.outcomes]
    assert study.uids[:2] == taken


def test_send_streams(start_storescp, make_file, dataset_bytes):
    """A data set of many PDUs arrives byte for byte, whatever maximum length the peer asks for."""
    path = make_file(Rows=1024, Columns=1024, PixelData=bytes(range(256)) * 8192)
    peers = [start_storescp("-pdu", "4096"), start_storescp("-pdu", "131072")]

    sent = [send_files(program.peer, [path], CALLER).sent for program in peers]

    assert [1, 1] == sent
    for program in peers:
        (received,) = program.folder.iterdir()
        assert dataset_bytes(path) == dataset_bytes(received)


def test_file_without_group_length(make_file, tmp_path):
    """The data set of a file whose meta information leaves out its length is found all the same."""
    path = make_file()
    data = path.read_bytes()
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(data[:132] + data[144:])

    assert data[dataset_offset(path) :] == bare.read_bytes()[dataset_offset(bare) :]
    assert dcmread(path).SOPInstanceUID == describe(bare).sop_instance_uid


class Committing:
    """A storage commitment SCP in this process that reports on the association of the request."""

    def __init__(self, status: int = 0, reports: bool = True) -> None:
        self.status = status
        self.reports = reports
        self.answered: list[int] = []

    def action(self, event: evt.Event):
        if self.status == 0 and self.reports:
            threading.Thread(target=self._report, args=[event.assoc, event.action_information]).start()
        return self.status, None

    def _report(self, association, request: Dataset) -> None:
        report = Dataset()
        report.TransactionUID = request.TransactionUID
        report.ReferencedSOPSequence = request.ReferencedSOPSequence
        status, _ = association.send_n_event_report(report, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
        self.answered.append(status.Status)


def references(n: int) -> list[SopReference]:
    return [SopReference(str(CTImageStorage), generate_uid()) for _ in range(n)]


@pytest.mark.parametrize("known", [True, False])
def test_commitment_on_the_same_association(known, wait):
    """A report that comes on the association of the request is taken and answered: 0x0115 when nobody asked for it."""
    asked, taken = references(3), []
    scp = Committing()

    def take(report: CommitmentReport) -> bool:
        taken.append(report)
        return known

    with served(StorageCommitmentPushModel, handlers=[(evt.EVT_N_ACTION, scp.action)]) as peer:
        reported = request_commitment(peer, CALLER, "1.2.3", asked, take, wait_seconds=1)
        wait(lambda: bool(scp.answered), 10, lambda: "the report was not answered")

    assert known == reported
    assert [CommitmentReport("1.2.3", tuple(asked), ())] == taken
    assert [0x0000 if known else 0x0115] == scp.answered


def test_commitment_that_is_reported_later():
    """A peer that does not report within the wait has accepted the request all the same."""
    scp = Committing(reports=False)

    with served(StorageCommitmentPushModel, handlers=[(evt.EVT_N_ACTION, scp.action)]) as peer:
        assert not request_commitment(peer, CALLER, "1.2.3", references(1), lambda report: True, wait_seconds=0.2)


def test_commitment_that_is_refused():
    """A peer that does not accept the request is one clear error."""
    scp = Committing(status=0x0213)

    with (
        served(StorageCommitmentPushModel, handlers=[(evt.EVT_N_ACTION, scp.action)]) as peer,
        pytest.raises(PeerUnavailable, match="PEER answers N-ACTION with 0x0213"),
    ):
        request_commitment(peer, CALLER, "1.2.3", references(1), lambda report: True)


def test_report_on_an_association_of_the_node():
    """The node reports over an association that it opens, in the SCP role, and hears what was taken and what not."""
    committed, lost = references(2)
    report = CommitmentReport("1.2.3", (committed,), (FailedReference(lost, 0x0112),))
    heard = []

    def take(event: evt.Event):
        heard.append((event.event_type, event.event_information))
        return 0x0000 if len(heard) == 1 else 0x0110, None

    with (
        served(StorageCommitmentPushModel, handlers=[(evt.EVT_N_EVENT_REPORT, take)]) as peer,
        pytest.raises(PeerUnavailable, match="answers N-EVENT-REPORT with 0x0110"),
        reporting(peer, CALLER) as send,
    ):
        send(report)
        send(report)

    event_type, information = heard[0]
    assert (2, "1.2.3") == (event_type, information.TransactionUID)
    assert committed.sop_instance_uid == information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert 0x0112 == information.FailedSOPSequence[0].FailureReason


def test_stock_client_and_server_agree(make_study):
    """What the node sends, a stock server decodes: command, Message IDs and data set."""
    study = make_study(3)
    seen = []

    def store(event: evt.Event) -> int:
        seen.append((event.request.MessageID, str(event.dataset.SOPInstanceUID), event.request.Priority))
        return 0

    with served(CTImageStorage, handlers=[(evt.EVT_C_STORE, store)]) as peer:
        send_files(peer, study.files, CALLER)

    assert [(n, uid, 0) for n, uid in enumerate(study.uids, start=1)] == seen


def test_context_of_a_role_that_is_not_negotiated():
    """A peer that answers no role selection keeps the default roles (PS3.7 D.3.3.4)."""
    application = AE("PLAIN")
    application.add_supported_context(StorageCommitmentPushModel)
    server = application.start_server(("127.0.0.1", 0), block=False)
    peer = Peer(ae_title="PLAIN", host="127.0.0.1", port=server.server_address[1])

    with associate(peer, CALLER, [(StorageCommitmentPushModel, ["1.2.840.10008.1.2"])]) as requestor:
        context = requestor.context(StorageCommitmentPushModel)
    server.shutdown()

    assert (True, False) == (context.as_scu, context.as_scp)
    assert build_context(StorageCommitmentPushModel).abstract_syntax == context.abstract_syntax
