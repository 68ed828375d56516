"""C-GET and C-MOVE deliver what is stored as it is stored, and the Structured Report of an indexed study."""

import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    EnhancedSRStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    generate_uid,
)
from pynetdicom import AE, evt
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import build_context, build_role
from pynetdicom.sop_class import CTImageStorage
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as StudyRootGet
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as StudyRootMove

from dicom_services.scp.ports import VirtualSeries
from dicom_services.scu.caller import Caller
from dicom_services.scu.echo import echo
from dicom_services.scu.send import send_files
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer


@dataclass
class Destination:
    """A storage SCP in this process that notes what it is sent."""

    port: int = 0
    titles: list[tuple[str, int]] = field(default_factory=list)
    """(Move Originator AE title, Move Originator Message ID) of each object."""
    syntaxes: list[str] = field(default_factory=list)
    refuse: set[str] = field(default_factory=set)
    """SOP Instance UIDs that are answered 0xA700."""
    arrived: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    """Cleared, the destination holds each answer back until it is set."""

    def store(self, event: evt.Event) -> int:
        request = event.request
        self.titles.append((request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID))
        self.syntaxes.append(str(event.context.transfer_syntax))
        self.arrived.set()
        self.go_on.wait(20)
        return 0xA700 if str(request.AffectedSOPInstanceUID) in self.refuse else 0


@pytest.fixture
def destination() -> Iterator[Destination]:
    noted = Destination()
    noted.go_on.set()
    server = AE("DEST").start_server(
        ("127.0.0.1", 0),
        block=False,
        contexts=[build_context(CTImageStorage, [ExplicitVRLittleEndian])],
        evt_handlers=[(evt.EVT_C_STORE, noted.store)],
    )
    noted.port = server.server_address[1]
    yield noted
    noted.go_on.set()
    server.shutdown()


@pytest.fixture
def moving_node(start_node, destination):
    """A node that knows the destination, and one peer that is not there."""
    peers = {
        "viewer": {"ae_title": "DEST", "host": "127.0.0.1", "port": destination.port},
        "gone": {"ae_title": "GONE", "host": "127.0.0.1", "port": 1},
    }
    return start_node(peers=peers)


@dataclass
class Response:
    """One C-MOVE response."""

    status: int
    remaining: int | None
    completed: int
    failed: int
    failed_uids: list[str]


def move(node, study: str, to: str = "DEST", cancel_after: int | None = None) -> list[Response]:
    """C-MOVE a study as AE title VIEWER with Message ID 7."""
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study
    viewer = AE("VIEWER")
    viewer.add_requested_context(StudyRootMove)
    association = viewer.associate(node.peer.host, node.peer.port, ae_title="RADIR")
    responses = []
    for status, identifier in association.send_c_move(query, to, StudyRootMove, 7):
        uids = identifier.get("FailedSOPInstanceUIDList") if identifier else None
        responses.append(
            Response(
                status.Status,
                status.get("NumberOfRemainingSuboperations"),
                status.get("NumberOfCompletedSuboperations"),
                status.get("NumberOfFailedSuboperations"),
                [uids] if isinstance(uids, str) else list(uids or []),
            )
        )
        if cancel_after == len(responses):
            association.send_c_cancel(7, query_model=StudyRootMove)
    association.release()
    return responses


@pytest.fixture
def study_of(make_file) -> Callable[..., tuple[str, list[Path]]]:
    """Write a study of n slices; returns its UID and files."""

    def make(n: int) -> tuple[str, list[Path]]:
        uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
        return uids["StudyInstanceUID"], [make_file(**uids, InstanceNumber=i) for i in range(1, n + 1)]

    return make


@pytest.fixture
def get(tool, tmp_path) -> Callable[..., list[Path]]:
    """getscu with keys; returns the files received, byte for byte."""

    def run(node, *keys: str, model: str = "-S") -> list[Path]:
        folder = tmp_path / f"got{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        options = [text for key in keys for text in ("-k", key)]
        done = tool("getscu", "-d", model, "+B", "-aec", "RADIR", "-od", folder, *options,
                    node.peer.host, node.peer.port)  # fmt: skip
        run.text = done.text
        return sorted(folder.iterdir())

    run.text = ""
    return run


def test_get_study_as_stored(node, get, study_of, dataset_bytes):
    """getscu receives every slice of a study, byte for byte as it was sent to the node."""
    study, paths = study_of(3)
    send_files(node.peer, paths, Caller("TEST"))

    got = get(node, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}")

    assert sorted(map(dataset_bytes, got)) == sorted(map(dataset_bytes, paths))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, ExplicitVRBigEndian], ids=lambda s: s.keyword)
def test_get_for_a_peer_that_takes_plain_objects_only(node, get, make_file, syntax):
    """What the peer cannot take as stored is decompressed or byte-swapped, with the same pixels and UID."""
    path = make_file()
    ds = dcmread(path)
    pixels = ds.pixel_array.copy()
    if syntax == ExplicitVRBigEndian:
        ds.PixelData = pixels.astype(">u2").tobytes()
        ds.set_original_encoding(False, False)
    else:
        ds.compress(syntax, generate_instance_uid=False)
    send_files(node.peer, [make_file(ds, syntax)], Caller("TEST"))

    keys = [f"{k}={ds[k].value}" for k in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
    (got,) = get(node, "QueryRetrieveLevel=IMAGE", *keys)

    received = dcmread(got)
    assert received.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert received.SOPInstanceUID == ds.SOPInstanceUID
    assert np.array_equal(pixels, received.pixel_array)


def test_get_of_nothing(node, get):
    """A study that the node does not hold is success with nothing delivered."""
    got = get(node, "QueryRetrieveLevel=STUDY", "StudyInstanceUID=1.2.3")

    assert got == []
    assert "0x0000" in get.text


def test_get_without_unique_key(node, get):
    """A retrieve that does not name what it wants is refused with 0xA900."""
    get(node, "QueryRetrieveLevel=SERIES", "SeriesInstanceUID=1.2.3")

    assert "0xa900" in get.text.lower()


def test_report_is_made_when_fetched(node, get, make_file, study_of):
    """The virtual series is rendered on retrieve only, and has the same SOP Instance UID the second time."""
    study, paths = study_of(1)
    send_files(node.peer, paths, Caller("TEST"))
    report = make_file(SOPClassUID=EnhancedSRStorage, StudyInstanceUID=study, Modality="SR")
    ds = dcmread(report)
    virtual = VirtualSeries(study, ds.SeriesInstanceUID, ds.SOPInstanceUID, ds.SOPClassUID, 9001)
    node.archive.reports[study] = (virtual, report)
    keys = ("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study}", f"SeriesInstanceUID={ds.SeriesInstanceUID}")

    before = node.archive.rendered[study]
    first, second = get(node, *keys), get(node, *keys)
    whole = get(node, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={study}")

    assert (before, node.archive.rendered[study]) == (0, 3)
    assert [dcmread(p).SOPInstanceUID for p in (*first, *second)] == [ds.SOPInstanceUID] * 2
    assert {dcmread(p).Modality for p in whole} == {"CT", "SR"}


def test_report_is_of_the_patient_asked_for(node, get, make_file):
    """A Patient Root retrieve delivers the report under the study's own Patient ID, and nothing under another."""
    image = make_file(PatientID="P1")
    study = str(dcmread(image).StudyInstanceUID)
    send_files(node.peer, [image], Caller("TEST"))
    report = make_file(SOPClassUID=EnhancedSRStorage, StudyInstanceUID=study, PatientID="P1", Modality="SR")
    ds = dcmread(report)
    virtual = VirtualSeries(study, ds.SeriesInstanceUID, ds.SOPInstanceUID, ds.SOPClassUID, 9001)
    node.archive.reports[study] = (virtual, report)
    keys = ("QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study}", f"SeriesInstanceUID={ds.SeriesInstanceUID}")

    own = get(node, "PatientID=P1", *keys, model="-P")
    other = get(node, "PatientID=P2", *keys, model="-P")

    assert [ds.SOPInstanceUID] == [dcmread(path).SOPInstanceUID for path in own]
    assert other == []


@dataclass
class Reported:
    """An indexed study: its UIDs, and the keys of an image level retrieve in its virtual series."""

    study: str
    series: str
    current: str
    """SOP Instance UID of the report that would be made now."""

    def keys(self, sop_instance_uid: str) -> tuple[str, ...]:
        unique = (f"StudyInstanceUID={self.study}", f"SeriesInstanceUID={self.series}")
        return ("QueryRetrieveLevel=IMAGE", *unique, f"SOPInstanceUID={sop_instance_uid}")


@pytest.fixture
def report_file(make_file) -> Callable[[str, str], Path]:
    """Write a report into a study and series."""

    def make(study: str, series: str) -> Path:
        return make_file(SOPClassUID=EnhancedSRStorage, StudyInstanceUID=study, SeriesInstanceUID=series, Modality="SR")

    return make


@pytest.fixture
def reported(node, study_of, report_file) -> Reported:
    study, paths = study_of(1)
    send_files(node.peer, paths, Caller("TEST"))
    made = report_file(study, series := generate_uid())
    current = str(dcmread(made).SOPInstanceUID)
    node.archive.reports[study] = (VirtualSeries(study, series, current, EnhancedSRStorage, 9001), made)
    return Reported(study, series, current)


def failed(node, reported: Reported, sop_instance_uid: str) -> tuple[int, list[str]]:
    """C-GET one report; return the final status and the Failed SOP Instance UID List, which getscu does not read."""
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "IMAGE", reported.study
    query.SeriesInstanceUID, query.SOPInstanceUID = reported.series, sop_instance_uid
    association = AE("VIEWER").associate(
        node.peer.host,
        node.peer.port,
        contexts=[build_context(StudyRootGet), build_context(EnhancedSRStorage)],
        ae_title="RADIR",
        ext_neg=[build_role(EnhancedSRStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, lambda event: 0)],
    )
    *_, (status, identifier) = association.send_c_get(query, StudyRootGet)
    association.release()
    uids = identifier.get("FailedSOPInstanceUIDList") if identifier else None
    return status.Status, [uids] if isinstance(uids, str) else list(uids or [])


def test_report_that_was_made_before(node, get, reported, report_file, dataset_bytes):
    """A report handed out once is delivered under its UID after the index has moved on, and no new one is made."""
    earlier = report_file(reported.study, reported.series)
    uid = str(dcmread(earlier).SOPInstanceUID)
    node.archive.made_before[uid] = earlier

    (got,) = get(node, *reported.keys(uid))

    assert dataset_bytes(earlier) == dataset_bytes(got)
    assert 0 == node.archive.rendered[reported.study]


@pytest.mark.parametrize(("negotiated", "status"), [(b"", 0xA900), (b"\1", 0x0000)])
def test_relational_retrieve(node, reported, make_file, report_file, negotiated, status):
    """Where it was negotiated, SOP Instance UIDs alone name images, and reports that were made before, of any study."""
    image, report = make_file(), report_file(reported.study, reported.series)
    send_files(node.peer, [image], Caller("TEST"))
    uids = [str(dcmread(path).SOPInstanceUID) for path in (image, report)]
    node.archive.made_before[uids[1]] = report
    query, relational = Dataset(), SOPClassExtendedNegotiation()
    query.QueryRetrieveLevel, query.SOPInstanceUID = "IMAGE", uids
    relational.sop_class_uid, relational.service_class_application_information = StudyRootGet, negotiated
    got = []
    classes = [CTImageStorage, EnhancedSRStorage]
    association = AE("VIEWER").associate(
        node.peer.host,
        node.peer.port,
        contexts=[build_context(uid) for uid in (StudyRootGet, *classes)],
        ext_neg=[*(build_role(uid, scp_role=True) for uid in classes), *([relational] if negotiated else [])],
        evt_handlers=[(evt.EVT_C_STORE, lambda event: got.append(event.request.AffectedSOPInstanceUID) or 0)],
    )
    *_, (response, _) = association.send_c_get(query, StudyRootGet)
    association.release()

    assert (status, uids if negotiated else []) == (response.Status, got)


def test_report_of_another_study_stays_where_it_is(node, reported, report_file):
    """A UID under the wrong study is no way to a report."""
    elsewhere = report_file(generate_uid(), generate_uid())
    uid = str(dcmread(elsewhere).SOPInstanceUID)
    node.archive.made_before[uid] = elsewhere

    assert (0xA702, [uid]) == failed(node, reported, uid)


def test_report_that_was_listed_and_cannot_be_made_any_more(node, reported):
    """A listed report that the index left behind before it was made has failed, by name; it is no empty success."""
    assert (0xA702, ["2.25.4711"]) == failed(node, reported, "2.25.4711")


def test_report_never_stands_in_for_another(node, reported, report_file):
    """Where the index moves on while the report is made, the other report is not delivered under the asked-for UID."""
    virtual, _ = node.archive.reports[reported.study]
    node.archive.reports[reported.study] = (virtual, report_file(reported.study, reported.series))

    assert (0xA702, [reported.current]) == failed(node, reported, reported.current)


def test_move_names_the_requester(moving_node, destination, study_of):
    """Each object carries the AE title and Message ID of the C-MOVE's requester (PS3.7 9.3.1.1)."""
    study, paths = study_of(3)
    send_files(moving_node.peer, paths, Caller("TEST"))

    responses = move(moving_node, study)

    assert destination.titles == [("VIEWER", 7)] * 3
    assert [(r.status, r.remaining, r.completed) for r in responses] == [
        (0xFF00, 2, 1),
        (0x0000, None, 3),
    ]


def test_move_lists_what_failed(moving_node, destination, study_of):
    """An object that the destination refuses is counted and named; the others arrive."""
    study, paths = study_of(3)
    bad = str(dcmread(paths[1]).SOPInstanceUID)
    destination.refuse.add(bad)
    send_files(moving_node.peer, paths, Caller("TEST"))

    last = move(moving_node, study)[-1]

    assert last == Response(0xB000, None, 2, 1, [bad])


def test_move_to_unknown_destination(moving_node, study_of):
    """A destination that is not configured is answered 0xA801."""
    study, paths = study_of(1)
    send_files(moving_node.peer, paths, Caller("TEST"))

    assert [r.status for r in move(moving_node, study, to="STRANGER")] == [0xA801]


def test_move_to_a_destination_that_is_down(moving_node, study_of):
    """A configured destination that does not answer fails every sub-operation, by name."""
    study, paths = study_of(2)
    send_files(moving_node.peer, paths, Caller("TEST"))

    last = move(moving_node, study, to="GONE")[-1]

    assert (last.status, last.completed, last.failed) == (0xA702, 0, 2)
    assert sorted(last.failed_uids) == sorted(str(dcmread(p).SOPInstanceUID) for p in paths)


def test_move_can_be_cancelled(moving_node, destination, study_of):
    """After a C-CANCEL the rest is not sent and the answer is 0xFE00."""
    study, paths = study_of(100)
    send_files(moving_node.peer, paths, Caller("TEST"))

    last = move(moving_node, study, cancel_after=1)[-1]

    assert last.status == 0xFE00
    assert last.remaining == 100 - len(destination.titles) > 0


def test_move_decompresses_for_the_destination(moving_node, destination, make_file):
    """A destination that takes plain objects only gets a compressed one decompressed."""
    ds = dcmread(make_file())
    ds.compress(RLELossless, generate_instance_uid=False)
    send_files(moving_node.peer, [make_file(ds, RLELossless)], Caller("TEST"))

    last = move(moving_node, ds.StudyInstanceUID)[-1]

    assert (last.status, destination.syntaxes) == (0, [str(ExplicitVRLittleEndian)])


@pytest.fixture
def storescp(tool, tmp_path) -> Iterator[tuple[Peer, Path, Callable[[], str]]]:
    """DCMTK's storescp: its address, the folder it writes to, and what it said once it is ended."""
    with socket.socket() as probe:  # storescp cannot say which port it got, so one is picked for it
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "storescp"
    folder.mkdir()
    process = subprocess.Popen(
        [tool.find("storescp"), "-d", "+B", "-od", str(folder), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peer = Peer(ae_title="STORESCP", host="127.0.0.1", port=port)

    def said() -> str:
        process.terminate()
        return process.communicate(timeout=20)[0]

    for _ in range(200):
        try:
            echo(peer, Caller("TEST"))
            break
        except PeerUnavailable:
            continue
    yield peer, folder, said
    said()


def test_movescu_to_storescp(start_node, tool, study_of, storescp, dataset_bytes):
    """DCMTK's movescu moves a study to DCMTK's storescp: bytes as stored, requester named."""
    peer, folder, said = storescp
    node = start_node(peers={"store": peer.model_dump()})
    study, paths = study_of(2)
    send_files(node.peer, paths, Caller("TEST"))

    done = tool("movescu", "-d", "-S", "-aet", "WORKSTATION", "-aec", "RADIR", "-aem", "STORESCP",
                "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
                node.peer.host, node.peer.port)  # fmt: skip

    assert done.code == 0, done.text
    assert sorted(map(dataset_bytes, folder.iterdir())) == sorted(map(dataset_bytes, paths))
    assert re.findall(r"Move Originator AE Title\s*: (\S+)", said()) == ["WORKSTATION"] * 2
