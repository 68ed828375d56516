"""One running node for the tests of this folder, studies to send it, clients and destinations to meet it."""

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from independent_clients import CLIENTS, HOST, Dcmjs, Dcmtk, Moved, Scu, dcmjs_client, dcmtk, moved
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

RECEIVERS = ("DCMTK", "GDCM", "ODIL", "DCMJS", "HEALTHY", "ABORTS", "SLEEPS", "REFUSES", "KILLED", "GONE")
"""AE titles that the node can send to. Each has a port of its own, on which a test starts what it needs."""


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago: none of these programs can say which one it got when given 0."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@dataclass(frozen=True, slots=True)
class Site:
    """A running node and the ports of its receivers by AE title."""

    node: Any
    """tests/conftest.py: RunningNode."""
    ports: Mapping[str, int]

    @property
    def port(self) -> int:
        return int(self.node.port("scp"))


@pytest.fixture(scope="package")
def make_site(
    tmp_path_factory: pytest.TempPathFactory, running_node: Callable[..., Any]
) -> Iterator[Callable[..., Site]]:
    """Start a node that knows every receiver; settings as SECTION__KEY="value"."""
    made = []

    def make(**settings: str) -> Site:
        ports = dict(zip(RECEIVERS, free_ports(len(RECEIVERS)), strict=True))
        peers = {title.lower(): {"ae_title": title, "host": HOST, "port": port} for title, port in ports.items()}
        settings = {"DICOM__PEERS": json.dumps(peers), **settings}
        made.append(running_node(tmp_path_factory.mktemp("site"), **settings))
        return Site(made[-1].start(), ports)

    yield make
    for node in made:
        node.close()


@pytest.fixture(scope="package")
def site(make_site: Callable[..., Site]) -> Site:
    """The node that the tests of this folder share: it grants everything to everybody."""
    return make_site()


@dataclass(frozen=True, slots=True)
class Study:
    """A study of CT slices that was made for one test."""

    patient_id: str
    uid: str
    series_uid: str
    sop_instance_uids: tuple[str, ...]
    files: tuple[Path, ...]


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., Study]:
    """Write the files of a study of a new patient: make_study(slices=3, **attributes by keyword)."""

    def make(slices: int = 3, **attributes: Any) -> Study:
        folder = tmp_path / f"study{len(list(tmp_path.glob('study*')))}"
        folder.mkdir()
        uid, series_uid = generate_uid(), generate_uid()
        patient_id = str(attributes.get("PatientID", uid[-12:]))
        own = {"StudyInstanceUID": uid, "SeriesInstanceUID": series_uid, "PatientID": patient_id}
        uids = tuple(map(str, (generate_uid() for _ in range(slices))))
        files = tuple(folder / f"{number:04d}.dcm" for number in range(slices))
        for number, (path, sop_instance_uid) in enumerate(zip(files, uids, strict=True), start=1):
            _slice(number, SOPInstanceUID=sop_instance_uid, **{**own, **attributes}).save_as(
                path, enforce_file_format=True
            )
        return Study(patient_id, str(uid), str(series_uid), uids, files)

    return make


def _slice(number: int, **attributes: Any) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.Modality = CTImageStorage, "CT"
    ds.PatientName, ds.PatientBirthDate, ds.PatientSex = "Doe^Jane", "19600102", "F"
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.StudyDescription = "20240305", "101500", "1", "CT chest"
    ds.AccessionNumber, ds.ReferringPhysicianName = "", ""
    ds.SeriesNumber, ds.SeriesDescription, ds.InstanceNumber = 2, "axial", number
    ds.Rows = ds.Columns = 16
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.PixelData = number.to_bytes(2, "little") * 256
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.fixture
def stored(site: Site, make_study: Callable[..., Study]) -> Callable[..., Study]:
    """Make a study and send it to the shared node with storescu."""

    def make(slices: int = 3, **attributes: Any) -> Study:
        study = make_study(slices, **attributes)
        sent = Dcmtk().ask(site.port, "store", files=study.files)
        assert sent.done, sent.text[-2000:]
        return study

    return make


@pytest.fixture
def new_folder(tmp_path: Path) -> Callable[[], Path]:
    """Make an empty folder."""

    def make() -> Path:
        folder = tmp_path / f"folder{len(list(tmp_path.glob('folder*')))}"
        folder.mkdir()
        return folder

    return make


@pytest.fixture
def scu(request: pytest.FixtureRequest) -> Scu:
    """The client that the test is parametrized with, by name; skipped where it is not installed."""
    return CLIENTS[request.param]()


@pytest.fixture
def dcmjs() -> Dcmjs:
    """dcmjs-dimse; skipped where it is not installed."""
    return dcmjs_client()


@pytest.fixture
def move() -> Callable[..., Moved]:
    """movescu: move(site, study_uid, destination, *options) returns the final response."""

    def ask(site: Site, study_uid: str, destination: str, *options: str) -> Moved:
        keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study_uid}
        reply = Dcmtk().ask(site.port, "move", keys=keys, destination=destination, options=options, calling="MOVESCU")
        return moved(reply.text)

    return ask


@dataclass(frozen=True, slots=True)
class Storescp:
    """A running storescp."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    log: Path

    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


@pytest.fixture
def storescp(tmp_path: Path, wait: Callable[..., None]) -> Iterator[Callable[..., Storescp]]:
    """Start DCMTK's storescp: storescp(port, *options). It takes every transfer syntax and keeps the bytes it gets."""
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int, *options: str) -> Storescp:
        folder = tmp_path / f"storescp{len(running)}"
        folder.mkdir()
        path = tmp_path / f"{folder.name}.log"
        command = [dcmtk("storescp"), "-d", "+xa", "+B", *options, "-od", str(folder), str(port)]
        with path.open("wb") as log:
            process = subprocess.Popen(command, env={**os.environ, "TCP_NODELAY": "1"}, stdout=log, stderr=log)
        running.append(process)
        wait(lambda: _listens(port), 10, lambda: f"storescp does not listen: {path.read_text()[-2000:]}")
        return Storescp(process, folder, path)

    yield start
    for process in running:
        process.kill()
        process.wait(10)


def _listens(port: int) -> bool:
    """Say whether a server has the port; the kernel is asked, because a connection would be its first association."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(local.endswith(f":{port:04X}") and state == "0A" for _, local, _, state, *_ in rows)
