"""Real archives and destinations beside the node: DCMTK's dcmqrscp and storescp, and one that notes what it is sent."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelMove as StudyRootMove

from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files
from radir_node.settings import Peer

HOST = "127.0.0.1"
SENDER = Caller("SENDER")


@dataclass
class Destination:
    """A storage SCP in this process that notes what it is sent, in order."""

    ae_title: str = "DEST"
    port: int = 0
    received: list[str] = field(default_factory=list)
    """SOP Instance UIDs; one that came twice is there twice."""
    originators: set[str] = field(default_factory=set)
    """Move Originator AE titles."""
    statuses: dict[str, int] = field(default_factory=dict)
    """SOP Instance UID -> what it is answered; everything else is answered success."""
    abort_at: set[str] = field(default_factory=set)
    """SOP Instance UIDs whose arrival makes the destination abort the association, the first time."""
    go_on: threading.Event = field(default_factory=threading.Event)
    """Cleared, answers are held back until it is set."""
    hold_after: int = 10**9
    """Objects after which every answer waits for go_on."""

    @property
    def peer(self) -> Peer:
        return Peer(ae_title=self.ae_title, host=HOST, port=self.port)

    def store(self, event: evt.Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.originators.add(str(event.request.MoveOriginatorApplicationEntityTitle))
        if uid in self.abort_at:
            self.abort_at.remove(uid)
            event.assoc.abort()
            return 0
        self.received.append(uid)
        if len(self.received) > self.hold_after:
            self.go_on.wait(20)
        return self.statuses.get(uid, 0)


@pytest.fixture
def destination() -> Iterator[Destination]:
    noted = Destination()
    noted.go_on.set()
    application = AE(noted.ae_title)
    application.supported_contexts = AllStoragePresentationContexts[:100]
    server = application.start_server((HOST, 0), block=False, evt_handlers=[(evt.EVT_C_STORE, noted.store)])
    noted.port = server.server_address[1]
    yield noted
    noted.go_on.set()
    server.shutdown()


@dataclass
class Program:
    """A running DCMTK server."""

    process: "subprocess.Popen[bytes]"
    peer: Peer
    folder: Path

    def said(self) -> str:
        """End it and return what it wrote."""
        self.go_on()
        self.process.terminate()
        self.process.wait(20)
        return _log_of(self.folder).read_text(errors="replace")

    def stop(self) -> None:
        """Keep it from doing anything, its connections open."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def uids(self) -> list[str]:
        """SOP Instance UIDs of the files that it wrote."""
        return sorted(str(dcmread(path).SOPInstanceUID) for path in self.folder.rglob("*") if path.suffix != ".dat")


def free_port() -> int:
    """A port that was free a moment ago: DCMTK's servers cannot say which one they got when given 0."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def _log_of(folder: Path) -> Path:
    return folder.with_suffix(".log")


def started(command: list[str], port: int, folder: Path, wait: Callable[..., None]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "TCP_NODELAY": "1"}
    with _log_of(folder).open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def listens() -> bool:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=5):
            return True
        return False

    wait(listens, 20, lambda: f"{command[0]} does not listen")
    return process


@pytest.fixture
def start_storescp(tool, tmp_path, wait) -> Iterator[Callable[..., Program]]:
    """Start storescp with options, e.g. --abort-after; files are written as they come."""
    with ExitStack() as stack:

        def start(*options: str) -> Program:
            port, folder = free_port(), tmp_path / f"storescp{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            command = [tool.find("storescp"), "-d", "+B", "+xa", *options, "-od", str(folder), str(port)]
            peer = Peer(ae_title="STORESCP", host=HOST, port=port)
            program = Program(started(command, port, folder, wait), peer, folder)
            stack.callback(program.said)
            return program

        yield start


@pytest.fixture
def start_pacs(tool, tmp_path, wait) -> Iterator[Callable[..., Program]]:
    """Start dcmqrscp as archive: start_pacs(*peers that it knows as move destinations)."""
    with ExitStack() as stack:

        def start(*known: Peer) -> Program:
            port, folder = free_port(), tmp_path / f"pacs{len(list(tmp_path.iterdir()))}"
            (folder / "images").mkdir(parents=True)
            hosts = "".join(f"h{n} = ({p.ae_title}, {p.host}, {p.port})\n" for n, p in enumerate(known))
            (folder / "pacs.cfg").write_text(
                f"NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
                f"HostTable BEGIN\n{hosts}HostTable END\nVendorTable BEGIN\nVendorTable END\n"
                f"AETable BEGIN\nPACS {folder / 'images'} RW (200, 1024mb) ANY\nAETable END\n"
            )
            command = [tool.find("dcmqrscp"), "-v", "-c", str(folder / "pacs.cfg")]
            peer = Peer(ae_title="PACS", host=HOST, port=port)
            images = folder / "images"
            program = Program(started(command, port, images, wait), peer, images)
            stack.callback(program.said)
            return program

        yield start


@dataclass
class Study:
    """A study on disk."""

    uid: str
    series: str
    files: list[Path]
    uids: list[str]
    """SOP Instance UIDs, in the order of the files."""


@pytest.fixture
def make_study(make_file) -> Callable[[int], Study]:
    """Write a study of n slices."""

    def make(n: int) -> Study:
        study, series = generate_uid(), generate_uid()
        files = [make_file(StudyInstanceUID=study, SeriesInstanceUID=series, InstanceNumber=i) for i in range(1, n + 1)]
        return Study(study, series, files, [str(dcmread(path).SOPInstanceUID) for path in files])

    return make


@pytest.fixture
def lose() -> Callable[..., None]:
    """Send files to a node and remove what it keeps of them: lose(node, *paths)."""

    def run(node, *paths: Path) -> None:
        assert send_files(node.peer, paths, SENDER).failed == 0
        for path in paths:
            kept = node.archive.stored[str(dcmread(path).SOPInstanceUID)]
            (node.root / kept.path).unlink()

    return run


@dataclass
class Response:
    """One C-MOVE response; counts are (remaining, completed, failed, warning), None where they are left out."""

    status: int
    counts: tuple[int | None, ...]
    failed_uids: list[str]
    comment: str

    @property
    def accounted(self) -> int:
        return sum(count or 0 for count in self.counts)


@pytest.fixture
def move() -> Callable[..., list[Response]]:
    """C-MOVE a study as AE title VIEWER with stock pynetdicom: move(node, study, destination, then=...)."""

    def run(
        node, study: str, destination: str, ae_title: str = "VIEWER", then: Callable[[], bool] = lambda: False
    ) -> list[Response]:
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", study
        viewer = AE(ae_title)
        viewer.add_requested_context(StudyRootMove)
        association = viewer.associate(node.peer.host, node.peer.port, ae_title="RADIR")
        responses = []
        for status, identifier in association.send_c_move(query, destination, StudyRootMove, 7):
            uids = identifier.get("FailedSOPInstanceUIDList") if identifier else None
            kinds = ("Remaining", "Completed", "Failed", "Warning")
            responses.append(
                Response(
                    status.Status,
                    tuple(status.get(f"NumberOf{kind}Suboperations") for kind in kinds),
                    [uids] if isinstance(uids, str) else list(uids or []),
                    str(status.get("ErrorComment", "")),
                )
            )
            if then():
                association.send_c_cancel(7, query_model=StudyRootMove)
        association.release()
        return responses

    return run
