"""kill -9 of the whole node at random moments of a send: nothing acknowledged is lost, nothing is indexed twice."""

import os
import random
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

Node = Any  # tests/conftest.py: RunningNode

ROUNDS = 20
SENT = re.compile(r"Sending file: (?P<file>.+)")


def acknowledged(output: str) -> list[Path]:
    """Return the files that storescu -v was answered 0x0000 for."""
    found, current = [], None
    for line in output.splitlines():
        if match := SENT.search(line):
            current = Path(match["file"].strip())
        elif "Received Store Response (Success)" in line and current is not None:
            found.append(current)
    return found


@pytest.mark.requirement("RN-02")
@pytest.mark.timeout(900)
def test_twenty_kills_lose_nothing_and_double_nothing(make_node: Callable[..., Node], phantoms: Path) -> None:
    """After each restart every acknowledged instance is there; in the end each study is indexed exactly once."""
    node = make_node()
    files = [path for folder in sorted(phantoms.iterdir()) if holds_radiograph(folder) for path in folder.glob("*.dcm")]
    rng = random.Random(20)
    kept: set[Path] = set()
    for _ in range(ROUNDS):
        node.start()
        kept |= set(acknowledged(interrupted_send(node, rng.sample(files, len(files)), rng.uniform(0.05, 1.5))))
    node.start()
    node.send(*files)

    studies = {study["study_instance_uid"]: study for study in node.settled(240)}

    held = {i["sop_instance_uid"] for uid in studies for i in node.json("instances", uid)}
    sent = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in files}
    assert len(kept) > ROUNDS
    assert {sent[path].SOPInstanceUID for path in kept} <= held
    assert {"indexed"} == {study["state"] for study in studies.values()}
    assert len(sent) == sum(study["instances"] for study in studies.values())
    verified = node.json("index", "verify")
    models = len({key for key in verified["recall_at_10"]})
    assert (verified["sound"], models) == (True, 1)
    assert verified["rows"] % node.json("status")["indexed"]["CXR"] == 0, "a study has more vectors than another"


def holds_radiograph(folder: Path) -> bool:
    modalities = {pydicom.dcmread(path, stop_before_pixels=True).Modality for path in folder.glob("*.dcm")}
    return bool(modalities & {"CR", "DX"})


def interrupted_send(node: Node, files: list[Path], seconds: float) -> str:
    """Start a send, kill the node after so many seconds, and return what storescu said."""
    command = ["/usr/bin/storescu", "-v", "-aec", "RADIR", "-R", "127.0.0.1", str(node.port("scp")), *map(str, files)]
    environment = {**os.environ, "TCP_NODELAY": "1"}
    sender = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    killer = threading.Timer(seconds, node.kill)
    killer.start()
    output, _ = sender.communicate(timeout=60)
    killer.join()
    return output


@pytest.mark.requirement("RN-02")
def test_acknowledged_before_the_kill_means_there_after_it(make_node: Callable[..., Node], phantoms: Path) -> None:
    """Killed right after the last response: all instances are there at once after the restart."""
    node = make_node(DICOM__QUIET_SECONDS_RADIOGRAPH="5").start()
    (first, *_) = sorted(phantoms.iterdir())
    assert node.send(first).returncode == 0
    node.kill()

    node.start()

    (study,) = node.json("studies")
    assert len(list(first.rglob("*.dcm"))) == study["instances"]
    assert [s["state"] for s in node.settled()] == ["indexed"]


@pytest.mark.requirement("RN-02")
def test_sigterm_ends_the_node_gracefully(make_node: Callable[..., Node]) -> None:
    """`radir up` ends with exit code 0 and leaves no service behind."""
    node = make_node().start()

    code = node.stop()

    assert code == 0
    assert list((node.root / "run").glob("*.json")) == []


@pytest.mark.requirement("RN-09")
def test_a_full_disk_refuses_what_it_cannot_keep(make_node: Callable[..., Node], phantoms: Path) -> None:
    """Below storage.min_free_mb a C-STORE is answered 0xA700, and the peer's later resend succeeds: nothing is lost."""
    (first, *_) = sorted(phantoms.iterdir())
    full = make_node(STORAGE__MIN_FREE_MB="100000000").start()

    refused = full.send("-v", first)

    assert "Refused: OutOfResources" in refused.stdout + refused.stderr
    assert full.json("studies") == []
    full.stop()
    full.environment["RADIR_STORAGE__MIN_FREE_MB"] = "0"
    full.start()
    assert full.send(first).returncode == 0
    assert [study["state"] for study in full.settled()] == ["indexed"]
