"""Verbs of the command line over a catalogue of the test alone."""

import datetime as dt
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from radir_node.cli import app
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.node.node import Node
from radir_node.settings import load_settings

Radir = Callable[..., Result]


@pytest.fixture
def radir(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Radir:
    """Run a verb on a catalogue of this test alone; what it raises comes out."""
    monkeypatch.setenv("RADIR_DATABASE__URL", database_url)
    monkeypatch.setenv("RADIR_STORAGE__ROOT", str(tmp_path))
    monkeypatch.setattr("radir_node.commands.session.console.width", 200)

    def run(*verb: str) -> Result:
        done = CliRunner().invoke(app, verb)
        if done.exception is not None:
            raise done.exception
        return done

    return run


@pytest.fixture
def node(radir: Radir) -> Iterator[Node]:
    """The node of those settings, holding one study that is open."""
    with Node(load_settings()) as opened:
        header = InstanceHeader("1.2.3", "1.2", "1.2.840.10008.1.2.1", "1.2", "1.2.1", modality="CT")
        opened.intake.register_all([StoredInstance(header, "a.dcm", 1, "a", "CT1", dt.datetime.now(dt.UTC))])
        yield opened


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def storescp(tmp_path: Path, wait: Callable[..., None]) -> Iterator[Callable[[int], None]]:
    """Start DCMTK's storescp on a port; it answers when this returns."""
    program = shutil.which("storescp", path="/usr/bin")
    if program is None:
        pytest.skip("no storescp (Debian package dcmtk)")
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> None:
        running.append(subprocess.Popen([program, "-aet", "PACS", "-od", str(tmp_path), str(port)]))
        wait(lambda: _listens(port), 10, lambda: "storescp does not start")

    yield start
    for process in running:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
