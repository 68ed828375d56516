"""What the node no longer keeps is delivered from the archive: each object once, with counts that add up."""

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import build_context, build_role
from pynetdicom.sop_class import CTImageStorage
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as StudyRootGet
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as StudyRootMove

from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files

SENDER = Caller("SENDER")


@pytest.fixture
def node_with(start_node):
    """A node that knows an archive and, as move destinations, further peers."""

    def start(archive, *destinations):
        peers = {f"d{n}": peer.model_dump() for n, peer in enumerate(destinations)}
        return start_node(peers={"pacs": archive.model_dump(), **peers}, retrieve_from="pacs")

    return start


def test_archive_sends_to_the_destination(start_pacs, node_with, destination, make_study, lose, move):
    """Objects whose files are gone come from the archive, those that are kept from the node; each arrives once."""
    study = make_study(6)
    pacs = start_pacs(destination.peer)
    node = node_with(pacs.peer, destination.peer)
    send_files(pacs.peer, study.files, SENDER)
    lose(node, *study.files[:4])
    send_files(node.peer, study.files[4:], SENDER)

    last = move(node, study.uid, "DEST")[-1]

    assert (0x0000, (None, 6, 0, 0), []) == (last.status, last.counts, last.failed_uids)
    assert sorted(study.uids) == sorted(destination.received)


def test_archive_that_does_not_know_the_destination(start_pacs, node_with, destination, make_study, lose, move):
    """Where the archive answers 0xA801 the node fetches the objects and sends them on, for the requester."""
    study = make_study(3)
    pacs = start_pacs()
    node = node_with(pacs.peer, destination.peer)
    send_files(pacs.peer, study.files, SENDER)
    lose(node, *study.files)

    last = move(node, study.uid, "DEST")[-1]

    assert (0x0000, (None, 3, 0, 0)) == (last.status, last.counts)
    assert sorted(study.uids) == sorted(destination.received)
    assert {"VIEWER"} == destination.originators
    assert [] == list((node.root / "incoming").iterdir())


def test_get_from_the_archive(start_pacs, node_with, make_study, lose, tool, tmp_path, dataset_bytes):
    """A C-GET delivers what the archive has, byte for byte."""
    study = make_study(3)
    pacs = start_pacs()
    node = node_with(pacs.peer)
    send_files(pacs.peer, study.files, SENDER)
    lose(node, *study.files[1:])
    send_files(node.peer, study.files[:1], SENDER)
    got = tmp_path / "got"
    got.mkdir()

    done = tool("getscu", "-v", "-S", "+B", "-aec", "RADIR", "-od", got, "-k", "QueryRetrieveLevel=STUDY",
                "-k", f"StudyInstanceUID={study.uid}", node.peer.host, node.peer.port)  # fmt: skip

    assert done.code == 0, done.text
    assert sorted(map(dataset_bytes, study.files)) == sorted(map(dataset_bytes, got.iterdir()))


def test_archive_is_down(start_node, destination, make_study, lose, move):
    """What is kept arrives, the rest has failed by name, and the comment says why."""
    study = make_study(5)
    peers = {"pacs": {"ae_title": "PACS", "host": "127.0.0.1", "port": 1}, "dest": destination.peer.model_dump()}
    node = start_node(peers=peers, retrieve_from="pacs")
    lose(node, *study.files[:2])
    send_files(node.peer, study.files[2:], SENDER)

    last = move(node, study.uid, "DEST")[-1]

    assert (0xB000, (None, 3, 2, 0)) == (last.status, last.counts)
    assert sorted(study.uids[:2]) == sorted(last.failed_uids)
    assert "2 failed: the archive does not answer" == last.comment


def test_no_archive_is_configured(start_node, destination, make_study, lose, move):
    """Without dicom.retrieve_from an object whose file is gone has failed, by name."""
    study = make_study(2)
    node = start_node(peers={"dest": destination.peer.model_dump()})
    lose(node, *study.files)

    last = move(node, study.uid, "DEST")[-1]

    assert (0xA702, (None, 0, 2, 0), sorted(study.uids)) == (last.status, last.counts, sorted(last.failed_uids))
    assert "2 failed: the node no longer keeps it" == last.comment


@pytest.mark.parametrize("known", [True, False], ids=["sends", "is fetched from"])
def test_archive_lacks_some(start_pacs, node_with, destination, make_study, lose, move, known):
    """What the archive does not have either has failed, by name; nothing is delivered twice to find that out."""
    study = make_study(4)
    pacs = start_pacs(*([destination.peer] if known else []))
    node = node_with(pacs.peer, destination.peer)
    send_files(pacs.peer, study.files[:3], SENDER)
    lose(node, *study.files)

    last = move(node, study.uid, "DEST")[-1]

    assert (0xB000, (None, 3, 1, 0), study.uids[3:]) == (last.status, last.counts, last.failed_uids)
    assert "1 failed: the archive does not have it" == last.comment
    assert sorted(study.uids[:3]) == sorted(destination.received)


def test_destination_refuses_what_the_archive_sends(start_pacs, node_with, destination, make_study, lose, move):
    """Failures that the archive reports are the node's failures, by name."""
    study = make_study(3)
    destination.statuses[study.uids[1]] = 0xA700
    pacs = start_pacs(destination.peer)
    node = node_with(pacs.peer, destination.peer)
    send_files(pacs.peer, study.files, SENDER)
    lose(node, *study.files)

    last = move(node, study.uid, "DEST")[-1]

    assert (0xB000, (None, 2, 1, 0)) == (last.status, last.counts)
    assert sorted(study.uids) == sorted(destination.received)


@pytest.mark.parametrize("known", [True, False], ids=["sends", "is fetched from"])
def test_cancel_reaches_the_archive(start_pacs, node_with, destination, make_study, lose, move, known):
    """After a C-CANCEL the archive stops too; the one answer is 0xFE00, with counts that add up."""
    study = make_study(30)
    pacs = start_pacs(*([destination.peer] if known else []))
    node = node_with(pacs.peer, destination.peer)
    send_files(pacs.peer, study.files, SENDER)
    lose(node, *study.files)
    destination.hold_after = 4
    destination.go_on.clear()

    def cancel_now() -> bool:
        enough = len(destination.received) > destination.hold_after and not destination.go_on.is_set()
        if enough:
            destination.go_on.set()
        return enough

    responses = move(node, study.uid, "DEST", then=cancel_now)

    assert [0xFE00] == [response.status for response in responses if response.status != 0xFF00]
    assert 30 == responses[-1].accounted
    assert len(destination.received) == len(set(destination.received)) < 30


class Archive:
    """A C-MOVE SCP in this process that breaks off in the middle of its first move."""

    def __init__(self, files, destination, after: int) -> None:
        self._held = {str(ds.SOPInstanceUID): ds for ds in map(dcmread, files)}
        self._destination = destination
        self._after = after
        self.asked: list[int] = []

    def move(self, event: evt.Event):
        uids = event.identifier.SOPInstanceUID
        wanted = [uids] if isinstance(uids, str) else list(uids)
        self.asked.append(len(wanted))
        yield self._destination.peer.host, self._destination.port
        yield len(wanted)
        for n, uid in enumerate(wanted):
            if n == self._after and len(self.asked) == 1:
                event.assoc.abort()
                return
            yield 0xFF00, self._held[uid]


def test_archive_breaks_off(node_with, destination, make_study, lose, move):
    """What the archive has not confirmed when it aborts counts as failed, and is not asked for a second time."""
    study = make_study(8)
    archive = Archive(study.files, destination, after=3)
    application = AE("PACS")
    application.add_supported_context(StudyRootMove)
    application.add_requested_context(CTImageStorage)
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_MOVE, archive.move)])
    peer = destination.peer.model_copy(update={"ae_title": "PACS", "port": server.server_address[1]})
    node = node_with(peer, destination.peer)
    lose(node, *study.files)

    responses = move(node, study.uid, "DEST")
    server.shutdown()

    assert 1 == sum(response.status != 0xFF00 for response in responses)
    assert (0xB000, 8) == (responses[-1].status, responses[-1].accounted)
    assert [8] == archive.asked
    assert len(destination.received) == len(set(destination.received)) == 3


def test_archive_is_not_asked_for_what_it_asks_for(start_pacs, node_with, destination, make_study, lose, move):
    """A request of the archive itself does not go back to it: two that ask each other would never end."""
    study = make_study(2)
    pacs = start_pacs(destination.peer)
    node = node_with(pacs.peer, destination.peer)
    send_files(pacs.peer, study.files, SENDER)
    lose(node, *study.files)

    last = move(node, study.uid, "DEST", ae_title="PACS")[-1]

    assert (0xA702, (None, 0, 2, 0)) == (last.status, last.counts)
    assert [] == destination.received


def test_get_is_answered_once_when_the_archive_is_down(start_node, make_study, lose):
    """A C-GET whose archive does not answer ends with one response that names what failed."""
    study = make_study(2)
    peers = {"pacs": {"ae_title": "PACS", "host": "127.0.0.1", "port": 1}}
    node = start_node(peers=peers, retrieve_from="pacs")
    lose(node, *study.files)
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study.uid
    association = AE("VIEWER").associate(
        node.peer.host,
        node.peer.port,
        contexts=[build_context(StudyRootGet), build_context(CTImageStorage)],
        ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, lambda event: 0)],
    )

    ((status, identifier),) = association.send_c_get(query, StudyRootGet)
    association.release()

    assert 0xA702 == status.Status
    assert sorted(study.uids) == sorted(identifier.FailedSOPInstanceUIDList)


def test_archive_without_retrieve(node_with, destination, make_study, lose, move):
    """An archive that offers neither C-MOVE nor C-GET ends in one answer that says so."""
    study = make_study(2)
    application = AE("PACS")
    application.add_supported_context(CTImageStorage)
    server = application.start_server(("127.0.0.1", 0), block=False)
    peer = destination.peer.model_copy(update={"ae_title": "PACS", "port": server.server_address[1]})
    node = node_with(peer, destination.peer)
    lose(node, *study.files)

    last = move(node, study.uid, "DEST")[-1]
    server.shutdown()

    assert (0xA702, (None, 0, 2, 0), sorted(study.uids)) == (last.status, last.counts, sorted(last.failed_uids))
    assert "2 failed: the archive offers no such service" == last.comment


def test_archive_that_takes_one_uid_at_a_time(node_with, destination, make_study, lose, move):
    """An archive that finds nothing under a list of UIDs is asked for each object alone."""
    study = make_study(3)
    held = {str(ds.SOPInstanceUID): ds for ds in map(dcmread, study.files)}

    def send(event: evt.Event):
        uids = event.identifier.SOPInstanceUID
        wanted = [held[uids]] if isinstance(uids, str) else []
        yield destination.peer.host, destination.port
        yield len(wanted)
        for ds in wanted:
            yield 0xFF00, ds

    def find(event: evt.Event):
        for uid in held:
            answer = Dataset()
            answer.SOPInstanceUID = uid
            yield 0xFF00, answer

    application = AE("PACS")
    application.add_supported_context(StudyRootMove)
    application.add_supported_context(StudyRootFind)
    application.add_requested_context(CTImageStorage)
    handlers = [(evt.EVT_C_MOVE, send), (evt.EVT_C_FIND, find)]
    server = application.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    node = node_with(
        destination.peer.model_copy(update={"ae_title": "PACS", "port": server.server_address[1]}), destination.peer
    )
    lose(node, *study.files)

    last = move(node, study.uid, "DEST")[-1]
    server.shutdown()

    assert (0x0000, (None, 3, 0, 0)) == (last.status, last.counts)
    assert sorted(study.uids) == sorted(destination.received)
