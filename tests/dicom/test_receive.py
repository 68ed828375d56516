"""C-STORE: what is acknowledged is durable, byte for byte, and known to the archive."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    generate_uid,
)
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from dicom_services.scp.ports import Registered
from dicom_services.scp.rejected_contexts import MOST_LISTED
from dicom_services.scp.storage.spool import Incoming, Spool
from dicom_services.scp.storage.store import Receiving, StoreStatus
from dicom_services.scu.caller import Caller
from dicom_services.scu.echo import echo
from dicom_services.scu.send import send_files
from dicom_services.scu.store import NOT_SENT
from radir_node.errors import InvalidSetting, PeerUnavailable
from radir_node.settings import Peer

SYNTAXES = [
    ("-xe", ExplicitVRLittleEndian),
    ("-xi", ImplicitVRLittleEndian),
    ("-xb", ExplicitVRBigEndian),
    ("-xd", DeflatedExplicitVRLittleEndian),
    ("-xr", RLELossless),
]


def incoming(path: Path, **changes: str) -> Incoming:
    meta = dcmread(path).file_meta
    values = {
        "sop_class_uid": str(meta.MediaStorageSOPClassUID),
        "sop_instance_uid": str(meta.MediaStorageSOPInstanceUID),
        "transfer_syntax_uid": str(meta.TransferSyntaxUID),
        "calling_ae_title": "TEST",
    }
    return Incoming(**(values | changes))


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "root")
    made.prepare()
    yield made
    made.close()


def receive(announced: Incoming, data: bytes, spool: Spool) -> StoreStatus:
    """Receive one data set in pieces of 1,000 bytes."""
    receiving = Receiving(announced, spool)
    for at in range(0, len(data), 1000):
        receiving.write(memoryview(data)[at : at + 1000])
    return receiving.finish()


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and path.suffix not in (".json", ".lock")]


def test_echo(node, tool):
    """DCMTK's echoscu and our own SCU both verify the node."""
    done = tool("echoscu", "-v", "-aec", "RADIR", node.peer.host, node.peer.port)
    echo(node.peer, Caller("TEST"))

    assert (done.code, "Success" in done.text) == (0, True)


@pytest.mark.parametrize(("option", "syntax"), SYNTAXES, ids=[o for o, _ in SYNTAXES])
def test_storescu_bytes(node, tool, make_file, dataset_bytes, option, syntax):
    """What storescu sends is on disk byte for byte, in the transfer syntax that it was sent in."""
    ds = dcmread(make_file(StudyDescription="Thörax"))
    ds.SpecificCharacterSet = "ISO_IR 100"
    if syntax == RLELossless:
        ds.compress(RLELossless, generate_instance_uid=False)
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = bytes(b for pair in zip(ds.PixelData[1::2], ds.PixelData[::2], strict=True) for b in pair)
        ds.set_original_encoding(False, False)
    path = make_file(ds, syntax)

    done = tool("storescu", "-R", option, "-aec", "RADIR", node.peer.host, node.peer.port, path)

    assert done.code == 0, done.text
    (stored,) = node.archive.stored.values()
    on_disk = node.root / stored.path
    assert dataset_bytes(path) == dataset_bytes(on_disk)
    assert syntax == stored.header.transfer_syntax_uid
    assert hashlib.sha256(on_disk.read_bytes()).hexdigest() == stored.sha256 == on_disk.stem
    assert on_disk.stat().st_size == stored.size
    assert stored.header.study_description == "Thörax"
    assert list((node.root / "incoming").iterdir()) == []


@pytest.mark.requirement("RN-07")
@pytest.mark.parametrize(("folder", "pattern"), [("dicom_chest_misc", "*.dcm"), ("dicom_zoo_small/files", "*")])
def test_real_files(node, shared_data, dataset_bytes, folder, pattern):
    """Of real files, odd and broken ones among them, each is stored byte for byte or listed with its reason."""
    paths = sorted((shared_data / folder).glob(pattern))

    result = send_files(node.peer, paths, Caller("TEST"))

    echo(node.peer, Caller("TEST"))
    taken = [path for path, (_, status) in zip(paths, result.outcomes, strict=True) if status == 0]
    assert len(taken) >= 0.75 * len(paths)
    changed = [
        path.name
        for path, stored in zip(taken, node.archive.history, strict=True)
        if not path.read_bytes().endswith(dataset_bytes(node.root / stored.path))
    ]
    assert changed == []
    refused = sum(status in (0xA900, 0xC000, NOT_SENT) for _, status in result.outcomes)
    assert len(node.archive.refused) == refused


@pytest.mark.requirement("RN-17")
def test_resend_is_success_without_second_copy(node, make_file):
    """The same instance again is acknowledged, and one file stays."""
    path = make_file()

    first, second = (send_files(node.peer, [path], Caller("TEST")) for _ in range(2))

    assert first == second
    assert first.sent == 1
    assert node.archive.registered == [Registered.NEW, Registered.SAME]
    assert len(list((node.root / "instances").rglob("*.dcm"))) == 1


@pytest.mark.requirement("RN-17")
@pytest.mark.parametrize(("policy", "files"), [(Registered.REPLACED, 2), (Registered.KEPT, 1)])
def test_same_uid_with_other_content(node, make_file, policy, files):
    """Other content under a known UID follows the archive's policy; the file it does not want is removed."""
    node.archive.policy = policy
    uid = generate_uid()
    paths = [make_file(SOPInstanceUID=uid, SeriesDescription=text) for text in ("one", "two")]

    result = send_files(node.peer, paths, Caller("TEST"))

    assert result.sent == 2
    assert policy == node.archive.registered[-1]
    assert files == len(list((node.root / "instances").rglob("*.dcm")))
    assert (node.root / node.archive.stored[uid].path).exists()


@pytest.mark.requirement("RN-17")
def test_database_down(node, make_file, wait):
    """While the catalogue is down receiving goes on; what was acknowledged is registered, once, when it is back."""
    node.archive.down = True

    sent = send_files(node.peer, [make_file(), make_file()], Caller("TEST"))
    before = list(node.held.registered)
    node.held.down = False
    wait(lambda: len(node.held.registered) == 2, 20, lambda: "what waits in the spool was not registered")

    assert (sent.sent, before) == (2, [])
    assert node.archive.registered == [Registered.NEW] * 2


@pytest.mark.requirement("RN-09")
def test_disk_low(start_node, make_file):
    """Below the free space limit the answer is 0xA700, and no file is left behind."""
    node = start_node(min_free_mb=2**40)

    result = send_files(node.peer, [make_file()], Caller("TEST"))

    assert [status for _, status in result.outcomes] == [0xA700]
    assert files(node.root / "incoming") + files(node.root / "spool") == []


@pytest.mark.parametrize(
    ("attribute", "value", "status"),
    [
        ("StudyInstanceUID", "", StoreStatus.DATASET_MISMATCH),
        ("SeriesInstanceUID", "../../etc/passwd", StoreStatus.DATASET_MISMATCH),
        ("SOPInstanceUID", "1.2.3", StoreStatus.DATASET_MISMATCH),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.4", StoreStatus.DATASET_MISMATCH),
    ],
)
def test_dataset_that_does_not_match(make_file, dataset_bytes, attribute, value, status, spool):
    """A dataset other than announced, or without its place in a study, is refused, listed and not kept."""
    good = make_file()
    ds = dcmread(good)
    setattr(ds, attribute, value)
    ds.save_as(bad := good.with_suffix(".bad"))

    answer = receive(incoming(good), dataset_bytes(bad), spool)

    assert status == answer
    ((_, refusal),) = spool.refusals(10)
    assert attribute in refusal.reason
    assert ("TEST", str(ds.file_meta.MediaStorageSOPClassUID)) == (refusal.calling_ae_title, refusal.sop_class_uid)
    assert files(spool.root) == []


@pytest.mark.parametrize("uid", ["../x", "1.2.3/4", "1.", "", "1." + "2" * 64, "1.2\n3"])
def test_command_uid_never_becomes_a_path(make_file, dataset_bytes, spool, uid):
    """A UID that is none is refused before a file is opened."""
    path = make_file()

    answer = receive(incoming(path, sop_instance_uid=uid), dataset_bytes(path), spool)

    assert answer == StoreStatus.CANNOT_UNDERSTAND
    assert files(spool.root) == []


def test_garbage_is_not_understood(make_file, spool):
    """Bytes that are no dataset in the announced encoding are answered 0xC000."""
    announced = incoming(make_file(), transfer_syntax_uid=DeflatedExplicitVRLittleEndian)

    answer = receive(announced, b"\xff\xfe\xfd\xfc" * 50, spool)

    assert answer == StoreStatus.CANNOT_UNDERSTAND
    assert len(spool.refusals(10)) == 1


def test_interrupted_receive_is_swept(spool):
    """A part file of a killed process is gone after the next start, finished files stay."""
    left = spool.root / "incoming" / "abc.part"
    left.write_bytes(b"half")
    kept = spool.root / "instances" / "00" / "kept.dcm"
    kept.write_bytes(b"whole")

    spool.close()
    spool.prepare()

    assert (left.exists(), kept.exists()) == (False, True)


def test_unsupported_class_is_listed_once(node, make_file):
    """A SOP class that the node does not take is listed with the sender, once, although it is offered each time."""
    private = "1.3.46.670589.11.0.0.12.1"
    path = make_file(SOPClassUID=private)

    for _ in range(2):
        with pytest.raises(PeerUnavailable, match="none of the presentation contexts"):
            send_files(node.peer, [path], Caller("TEST"))

    assert [("SOP class offered in an association is not supported", "TEST", private)] == node.archive.refused


def test_invented_classes_fill_no_list(node):
    """However many SOP classes are made up, so many are listed and no more; those listed stay known."""
    invented = [build_context(f"2.25.{number}") for number in range(MOST_LISTED + 100)]

    for first in range(0, len(invented), 100):
        association = AE("TEST").associate(
            node.peer.host,
            node.peer.port,
            contexts=[build_context(Verification), *invented[first : first + 100]],
            ae_title="RADIR",
        )
        association.release()

    assert {f"2.25.{number}" for number in range(MOST_LISTED)} == {sop_class for *_, sop_class in node.archive.refused}
    assert MOST_LISTED == len(node.archive.refused)


def test_wrong_called_ae_title(start_node, tool):
    """Where the node insists on its AE title, a caller that names another is rejected."""
    node = start_node(require_called_ae_title=True)

    done = tool("echoscu", "-v", "-aec", "OTHER", node.peer.host, node.peer.port)

    assert done.code != 0
    assert "Called AE Title Not Recognized" in done.text


def test_termscu_is_refused(node, tool):
    """The private shutdown request of DCMTK does not end the node."""
    done = tool("termscu", "-v", node.peer.host, node.peer.port)
    echo(node.peer, Caller("TEST"))

    assert done.code != 0


@pytest.mark.parametrize("sent", [b"\x01\0\0", b"\x01\0\0\0\x01\0" + b"\0" * 10], ids=["header", "body"])
def test_peer_that_stops_in_the_middle(start_node, sent):
    """A peer that goes quiet within a PDU is dropped when the request is due, and others are served meanwhile."""
    node = start_node(timeouts={"request_seconds": 0.5})
    with socket.create_connection((node.peer.host, node.peer.port)) as quiet:
        quiet.sendall(sent)
        quiet.settimeout(20)

        echo(node.peer, Caller("TEST"))
        answer = quiet.recv(1)

    assert answer == b""


def test_stop_ends_open_associations(start_node):
    """Stopping ends an association that its peer keeps open, and the port is closed."""
    node = start_node()
    association = AE("IDLE").associate(
        node.peer.host, node.peer.port, contexts=[build_context(Verification)], ae_title="RADIR"
    )
    assert association.is_established

    node.server.stop(grace_seconds=0.1)

    association.join(20)
    assert association.is_aborted
    with pytest.raises(PeerUnavailable):
        echo(node.peer, Caller("TEST"))


def test_address_in_use(start_node):
    """A port that is taken is one clear error."""
    node = start_node()

    with pytest.raises(PeerUnavailable, match="cannot listen on"):
        start_node(port=node.peer.port)


def test_peer_that_is_not_there():
    """Sending to a closed port is one clear error."""
    peer = Peer(ae_title="GONE", host="127.0.0.1", port=1)

    with pytest.raises(PeerUnavailable, match=r"^GONE at 127\.0\.0\.1:1 does not answer$"):
        echo(peer, Caller("TEST"))


@pytest.mark.requirement("RN-06")
def test_no_identifier_is_logged(node, tool, make_file, capfd, caplog):
    """A canary patient leaves no trace in any log, whether the object is taken or refused."""
    canary: dict[str, object] = {"PatientName": "CANARY^BIRD", "PatientID": "CANARY-ID", "AccessionNumber": "CANARY-AC"}
    good, bad = make_file(**canary), make_file(**canary, StudyInstanceUID="")

    with caplog.at_level(0):
        send_files(node.peer, [good, bad], Caller("TEST"))
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName=CANARY*")
        tool("findscu", "-S", *keys, node.peer.host, node.peer.port)
    node.server.stop()

    out = "".join(capfd.readouterr()) + caplog.text
    uid = str(dcmread(good).SOPInstanceUID)
    assert "association_closed" in out
    assert "CANARY" not in out
    assert uid not in out


def test_one_server_receives_into_a_root(start_node):
    """A second server on the same storage root refuses to start, and takes nothing away from the first."""
    node = start_node()

    with pytest.raises(InvalidSetting, match="another DICOM server"):
        Spool(node.root, patience_seconds=0).prepare()
    echo(node.peer, Caller("TEST"))
