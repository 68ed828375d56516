"""The other ends of the acceptance tests: a real Orthanc as PACS, and DCMTK's storescp as a plain destination."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyorthanc
import pytest

HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago: neither Orthanc nor storescp can say which one it got when given 0."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def program(name: str, package: str) -> str:
    """Path of a program of a Debian package; the test skips where it is absent."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian package {package})")
    return found


@dataclass(frozen=True, slots=True)
class Orthanc:
    """A running PACS and its REST interface."""

    url: str
    dicom_port: int
    ae_title: str
    client: pyorthanc.Orthanc

    def know(self, name: str, ae_title: str, port: int) -> None:
        """Enter a DICOM peer on this host under a symbolic name (PUT /modalities/{name})."""
        self.client.put_modalities_id(name, json={"AET": ae_title, "Host": HOST, "Port": port})

    def upload(self, *paths: Path) -> list[str]:
        """Store DICOM files; return the Orthanc identifiers of their studies, each once, in order."""
        answers: list[Any] = [self.client.post_instances(path.read_bytes()) for path in paths]
        return list(dict.fromkeys(answer["ParentStudy"] for answer in answers))

    def route(self, study: str, name: str) -> None:
        """Send a study (Orthanc identifier) to a peer by C-STORE; fail at the first refused instance."""
        self.client.post_modalities_id_store(name, json={"Resources": [study], "Permissive": False})

    def retrieve(self, name: str, query: Mapping[str, str]) -> int:
        """Query a peer for studies and let it send all that match here (C-FIND, C-MOVE); return how many matched."""
        asked: Any = self.client.post_modalities_id_query(name, json={"Level": "Study", "Query": dict(query)})
        matched = len(list(self.client.get_queries_id_answers(asked["ID"])))
        self.client.post_queries_id_retrieve(asked["ID"], json={"TargetAet": self.ae_title, "Synchronous": True})
        return matched

    def echo(self, name: str) -> bool:
        """Whether the peer answers C-ECHO."""
        try:
            self.client.post_modalities_id_echo(name, json={})
        except httpx.HTTPError:
            return False
        return True

    def sop_instances(self, study_instance_uid: str, modality: str = "") -> list[str]:
        """SOP Instance UIDs that the PACS holds of a study, of one modality where it is named."""
        query = {"StudyInstanceUID": study_instance_uid, **({"Modality": modality} if modality else {})}
        return sorted(instance["MainDicomTags"]["SOPInstanceUID"] for instance in self._find(query))

    def file(self, sop_instance_uid: str) -> bytes:
        """The DICOM file of an instance as the PACS stored it."""
        (instance,) = self._find({"SOPInstanceUID": sop_instance_uid})
        content = self.client.get_instances_id_file(instance["ID"])
        assert isinstance(content, bytes)
        return content

    def ask_commitment(self, name: str, references: Sequence[Any]) -> str:
        """Ask a peer to commit to (SOP class, SOP instance) references; return the transaction UID."""
        wanted = [{"SOPClassUID": each.sop_class_uid, "SOPInstanceUID": each.sop_instance_uid} for each in references]
        asked: Any = self.client.post_modalities_id_storage_commitment(name, json={"DicomInstances": wanted})
        return str(asked["ID"])

    def commitment(self, transaction_uid: str) -> dict[str, Any]:
        """What the PACS has heard of a transaction: Status is Pending, Success or Failure."""
        heard: Any = self.client.get_storage_commitment_id(transaction_uid)
        return dict(heard)

    def _find(self, query: dict[str, str]) -> list[dict[str, Any]]:
        found: Any = self.client.post_tools_find(json={"Level": "Instance", "Query": query, "Expand": True})
        return list(found)


@dataclass(frozen=True, slots=True)
class Destination:
    """A running storescp: what it is called, where it listens and where it writes."""

    ae_title: str
    port: int
    folder: Path

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.iterdir() if path.is_file())


@contextmanager
def running_orthanc(folder: Path, wait: Callable[..., None]) -> Iterator[Orthanc]:
    """Run an empty Orthanc. Its ports are open on every interface: 1.10 cannot bind to one."""
    binary = program("Orthanc", "orthanc")
    http_port, dicom_port = free_ports(2)
    folder.mkdir()
    config = {
        "Name": "RADIR-PACS",
        "StorageDirectory": str(folder),
        "IndexDirectory": str(folder),
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomPort": dicom_port,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        **{f"DicomAlwaysAllow{service}": True for service in ("Echo", "Store", "Find", "Move", "Get")},
        "StableAge": 1,
        "Plugins": [],
    }
    (folder / "orthanc.json").write_text(json.dumps(config))
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([binary, str(folder / "orthanc.json")], stdout=log, stderr=log)
    url = f"http://{HOST}:{http_port}"
    try:
        with pyorthanc.Orthanc(url) as client:

            def answers() -> bool:
                assert process.poll() is None, (folder / "orthanc.log").read_text()[-2000:]
                try:
                    return bool(client.get_system())
                except httpx.TransportError:
                    return False

            wait(answers, 30, lambda: (folder / "orthanc.log").read_text()[-2000:])
            yield Orthanc(url, dicom_port, "ORTHANC", client)
    finally:
        process.kill()  # its orderly end takes three seconds, and nothing of it is kept
        process.wait(30)


@pytest.fixture
def orthanc(tmp_path: Path, wait: Callable[..., None]) -> Iterator[Orthanc]:
    """An empty Orthanc of this test alone."""
    with running_orthanc(tmp_path / "orthanc", wait) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Hospital:
    """A node beside a PACS; each knows the other."""

    node: Any
    """tests/conftest.py: RunningNode."""
    pacs: Orthanc
    """Knows the node as "radir"."""


@pytest.fixture(scope="module")
def hospital(
    tmp_path_factory: pytest.TempPathFactory, wait: Callable[..., None], running_node: Callable[..., Any]
) -> Iterator[Hospital]:
    """The PACS is what the node pushes to and counts by; the tests of a module share both."""
    root = tmp_path_factory.mktemp("hospital")
    with running_orthanc(root / "orthanc", wait) as pacs:
        peers = {"pacs": {"ae_title": pacs.ae_title, "host": HOST, "port": pacs.dicom_port}}
        roles = {"DICOM__PUSH_TO": "pacs", "DICOM__VERIFY_WITH": "pacs"}
        node = running_node(root / "node", DICOM__PEERS=json.dumps(peers), **roles)
        try:
            node.start()
            pacs.know("radir", "RADIR", node.port("scp"))
            yield Hospital(node, pacs)
        finally:
            node.close()


@pytest.fixture
def destination(tmp_path: Path, wait: Callable[..., None]) -> Iterator[Destination]:
    """A storescp that accepts every transfer syntax and keeps the bytes of what it gets."""
    storescp, echoscu = program("storescp", "dcmtk"), program("echoscu", "dcmtk")
    (port,) = free_ports(1)
    folder = tmp_path / "destination"
    folder.mkdir()
    environment = {**os.environ, "TCP_NODELAY": "1"}
    command = [storescp, "-aet", "DESTINATION", "+xa", "+B", "-od", str(folder), str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:

        def answers() -> bool:
            assert process.poll() is None, "storescp ended"
            return subprocess.run([echoscu, HOST, str(port)], capture_output=True, check=False).returncode == 0

        wait(answers, 30, lambda: "storescp does not answer")
        yield Destination("DESTINATION", port, folder)
    finally:
        process.terminate()
        process.wait(30)
