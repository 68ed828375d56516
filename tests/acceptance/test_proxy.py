"""The node has lost its files and the PACS, a real Orthanc, has them: viewers get them all the same, through DCMTK."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

Node = Any  # tests/conftest.py: RunningNode

DCMTK = "/usr/bin"
SLICES = 6


@pytest.fixture
def study(phantoms: Path) -> list[Path]:
    """Some slices of a CT."""
    return max((sorted(folder.glob("CT*.dcm")) for folder in phantoms.iterdir()), key=len)[:SLICES]


@pytest.fixture
def node(make_node: Callable[..., Node], orthanc: Any, destination: Any, study: list[Path], wait: Any) -> Node:
    """A node that knows PACS and destination, received the study, and lost what it keeps of it."""
    peers = {
        "pacs": {"ae_title": orthanc.ae_title, "host": "127.0.0.1", "port": orthanc.dicom_port},
        "dest": {"ae_title": destination.ae_title, "host": "127.0.0.1", "port": destination.port},
    }
    made = make_node(DICOM__PEERS=json.dumps(peers), DICOM__RETRIEVE_FROM="pacs", DICOM__QUIET_SECONDS_CT="600").start()
    made.send(*study)
    instances = made.root / "instances"
    wait(lambda: len(list(instances.rglob("*.dcm"))) == SLICES, 30, lambda: "not everything was registered")
    for path in instances.rglob("*.dcm"):
        path.unlink()
    return made


def dcmtk(program: str, node: Node, study: list[Path], *options: str) -> "subprocess.CompletedProcess[str]":
    """Retrieve the study from the node with movescu or getscu."""
    uid = pydicom.dcmread(study[0], stop_before_pixels=True).StudyInstanceUID
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid}")
    to = ("127.0.0.1", str(node.port("scp")))
    command = [f"{DCMTK}/{program}", "-d", "-S", "-aet", "VIEWER", "-aec", "RADIR", *options, *keys, *to]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def uids(paths: list[Path]) -> list[str]:
    return sorted(str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths)


def test_viewers_get_what_only_the_pacs_has(
    node: Node, orthanc: Any, destination: Any, study: list[Path], tmp_path: Path
) -> None:
    """Everything arrives: fetched while the PACS does not know the destination, sent once it does, and by C-GET."""
    orthanc.upload(*study)
    to_destination = ("-aem", destination.ae_title)
    got = tmp_path / "got"
    got.mkdir()

    fetched = dcmtk("movescu", node, study, *to_destination)
    arrived = uids(destination.files())
    for path in destination.files():
        path.unlink()
    turned_down = node.log().count("archive_does_not_deliver")
    orthanc.know("dest", destination.ae_title, destination.port)
    sent = dcmtk("movescu", node, study, *to_destination)
    getting = dcmtk("getscu", node, study, "-od", str(got))

    assert [0, 0, 0] == [fetched.returncode, sent.returncode, getting.returncode], node.log()[-3000:]
    assert uids(study) == arrived == uids(destination.files()) == uids(list(got.iterdir()))
    assert 1 == turned_down == node.log().count("archive_does_not_deliver")


def test_pacs_has_lost_some_too(node: Node, orthanc: Any, destination: Any, study: list[Path]) -> None:
    """What the PACS does not have has failed, in one answer that says why; what it has arrives."""
    orthanc.upload(*study[1:])
    orthanc.know("dest", destination.ae_title, destination.port)

    done = dcmtk("movescu", node, study, "-aem", destination.ae_title)

    assert done.returncode != 0
    assert "1 failed: the archive does not have it" in done.stderr + done.stdout, done.stderr + done.stdout
    assert uids(study[1:]) == uids(destination.files())
