"""Fixtures that every folder of tests may use."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from dicom_services.phantom_archive import write_study
from radir_node.catalog.database import Database, open_database
from radir_node.catalog.migrate import upgrade
from radir_node.phantoms.archive import cases, render

settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")
"""Examples are as many on a busy machine as on an idle one: no test of this suite is about time."""

DCMTK = "/usr/bin"
"""Where Debian puts it: pynetdicom installs programs of the same names into the virtual environment."""
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def log_of_the_tests() -> Iterator[None]:
    """A verb that runs inside a test sets up no log: that is for whole processes, and would outlive the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radir_node.commands.session.configure", lambda level: None)
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real studies and reports; the test is skipped where it is absent."""
    folder = Path(os.environ.get("RADIR_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder (set RADIR_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Postgres whose database `template` is migrated to the newest revision."""
    server = open_database("", tmp_path_factory.mktemp("postgres"))
    with server.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("alter system set fsync = off")  # a database per test; none survives a power cut
        connection.exec_driver_sql("select pg_reload_conf()")
        connection.exec_driver_sql("create database template")
    template = open_database(_named(server.url, "template"), Path())
    upgrade(template)
    template.close()
    yield server.url
    server.close()


@pytest.fixture
def database_url(postgres: str) -> Iterator[str]:
    """URL of an empty, migrated database of this test alone."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(sa.make_url(postgres).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {name} template template")
    yield _named(postgres, name)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"drop database {name} with (force)")
    engine.dispose()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open catalogue of this test alone."""
    opened = open_database(database_url, Path())
    yield opened
    opened.close()


def _named(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


class RunningNode:
    """The real node: `radir up` as a process group of its own, on free ports, with a storage root of its own."""

    def __init__(self, root: Path, **settings: str) -> None:
        self.root = root
        defaults = {
            "STORAGE__ROOT": str(root),
            "DICOM__PORT": "0",
            "WEB__PORT": "0",
            "HL7__PORT": "0",
            "DICOM__QUIET_SECONDS_RADIOGRAPH": "1",
            "DICOM__QUIET_SECONDS_CT": "2",
            "DICOM__UNKNOWN_CALLERS": '["echo", "store", "find", "move", "get", "commitment", "mpps", "availability"]',
            "STORAGE__MIN_FREE_MB": "0",
        }
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RADIR_")},
            **{f"RADIR_{key}": value for key, value in {**defaults, **settings}.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RunningNode":
        """Start and wait until every part answers."""
        self.root.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self.root / "run", ignore_errors=True)
        with (self.root / "node.log").open("ab") as log:
            command = [sys.executable, "-m", "radir_node", "up"]
            self._process = subprocess.Popen(
                command, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(self._ready, 60, lambda: f"the node does not start: {self.log()[-2000:]}")
        return self

    def _ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()[-2000:]
        return (self.root / "run" / "web.json").exists() and bool(self.json("status")["ready"])

    def kill(self) -> None:
        """kill -9 every process of the node at once; the database server is not one of them."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def close(self) -> None:
        """Leave nothing running, the embedded database included, whatever the test did."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        if not self.environment.get("RADIR_DATABASE__URL") and (self.root / "postgres").is_dir():
            open_database("", self.root / "postgres").close()  # joins a server that outlived a kill, and stops it

    def port(self, service: str) -> int:
        return int(json.loads((self.root / "run" / f"{service}.json").read_text())["port"])

    def run(self, *verb: str) -> "subprocess.CompletedProcess[str]":
        """Run a `radir` verb with the node's settings."""
        command = [sys.executable, "-m", "radir_node", *verb]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120, check=False)

    def json(self, *verb: str) -> Any:
        done = self.run(*verb, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def send(self, *paths: "Path | str") -> "subprocess.CompletedProcess[str]":
        """Send with DCMTK's storescu, as a modality would; options of storescu may come before the paths."""
        options = [part for part in paths if isinstance(part, str)]
        files = [str(part) for part in paths if not isinstance(part, str)]
        command = [
            f"{DCMTK}/storescu",
            *options,
            "-aec",
            "RADIR",
            "+sd",
            "+r",
            "-R",
            "127.0.0.1",
            str(self.port("scp")),
            *files,
        ]
        environment = {**os.environ, "TCP_NODELAY": "1"}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)

    def settled(self, seconds: float = 120) -> list[dict[str, Any]]:
        """Wait until no study is on its way any more; return `radir studies --json`."""
        done = {"indexed", "not_indexable", "failed"}

        def all_done() -> bool:
            states = self.json("status")["studies"]
            return bool(states) and set(states) <= done

        wait_for(all_done, seconds, lambda: f"studies do not settle: {self.json('status')} {self.log()[-2000:]}")
        found: list[dict[str, Any]] = self.json("studies")
        return found

    def log(self) -> str:
        return (self.root / "node.log").read_text(errors="replace")


def wait_for(condition: Callable[[], bool], seconds: float, why: Callable[[], str]) -> None:
    """Poll a condition; fail with `why` after so many seconds."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        pause.wait(0.2)


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], bool], float, Callable[[], str]], None]:
    """The one way in which tests wait."""
    return wait_for


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[Callable[..., RunningNode]]:
    """Make nodes that are stopped, or killed, when the test ends. Settings as SECTION__KEY="value"."""
    made: list[RunningNode] = []

    def make(**settings: str) -> RunningNode:
        made.append(RunningNode(tmp_path / f"node{len(made)}", **settings))
        return made[-1]

    yield make
    for node in made:
        node.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One running node for the tests of a module."""
    running = RunningNode(tmp_path_factory.mktemp("node"))
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture(scope="session")
def running_node() -> type[RunningNode]:
    """The class itself, for nodes that are shared by more tests than those of a module."""
    return RunningNode


@pytest.fixture(scope="session")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of generated studies, one sub-folder each: images and a narrative report."""
    folder = tmp_path_factory.mktemp("phantoms")
    for number, case in enumerate(cases(14, 4, seed=7)):
        target = folder / f"{number:02d}"
        target.mkdir()
        write_study(render(case), target)
    return folder
