"""The systems under measurement, each as processes of its own: the node, DCMTK's servers, stock pynetdicom."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from raw_peer import RawPeer

DCMTK = Path("/usr/bin")
"""Where Debian puts it: pynetdicom installs programs of the same names into the virtual environment."""

MAX_PDU = 131072
"""Of every system: the largest that DCMTK takes."""

QUERY_LIMIT = 500
"""Studies that one storage area of dcmqrscp can hold (DB_UpperMaxStudies in its source, dcmqrdbi.h)."""


@dataclass
class System:
    """One running receiver or query server, the leader of a process group."""

    name: str
    port: int
    process: "subprocess.Popen[bytes]"
    folder: Path
    """Where received objects lie, at whatever depth."""
    pattern: str = "*"
    ae_title: str = "ANY"
    spool: Path | None = None
    """The node's queue of acknowledged objects that Postgres does not know yet."""
    tls_port: int = 0
    keeps: bool = False
    """forget() would break it: its index names the files."""

    def members(self) -> list[int]:
        """Process ids of the group."""
        return group_members(self.process.pid)

    def received(self) -> list[Path]:
        return [path for path in self.folder.rglob(self.pattern) if path.is_file()]

    def registered(self, count: int, seconds: float = 600) -> None:
        """Wait until as many objects have left the spool for the archive (the node), or lie in the folder (others)."""
        deadline = time.monotonic() + seconds
        while len(self.received()) < count or (self.spool is not None and any(self.spool.glob("*.dcm"))):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: {len(self.received())} of {count} objects after {seconds:.0f} s")
            time.sleep(0.03)  # seldom: each look costs the system processor time

    def forget(self) -> None:
        """Delete what was received, so that neither its folder nor the write-back of its pages burdens the next run."""
        for path in [] if self.keeps else self.received():
            path.unlink()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        for left in self.members():
            os.kill(left, signal.SIGKILL)
        self.process.wait()


def group_members(group: int) -> list[int]:
    """Processes of a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def environment(no_delay: bool = True, **extra: str) -> dict[str, str]:
    """Environment of a DCMTK program; without TCP_NODELAY it leaves Nagle's algorithm on."""
    base = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY" and not key.startswith("RADIR_")}
    return base | ({"TCP_NODELAY": "1"} if no_delay else {}) | extra


def launch(command: list[object], log: Path, env: dict[str, str]) -> "subprocess.Popen[bytes]":
    with log.open("ab") as out:
        words = [str(word) for word in command]
        return subprocess.Popen(words, env=env, stdout=out, stderr=out, start_new_session=True)


def wait_until_listening(system: System, log: Path, seconds: float = 60) -> System:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with RawPeer(system.port, timeout=5) as peer:
                peer.associate(called=system.ae_title).release()
            return system
        except OSError:
            if system.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{system.name} does not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)


@contextmanager
def running(system: System, log: Path) -> Iterator[System]:
    try:
        yield wait_until_listening(system, log)
    finally:
        system.stop()


@contextmanager
def storescp(root: Path, name: str = "DCMTK", no_delay: bool = True, fork: bool = False) -> Iterator[System]:
    """DCMTK's storescp as it is delivered: it decodes what it gets, writes a file, and does not fsync."""
    folder = root / f"storescp-{'fork' if fork else 'single'}-{'nodelay' if no_delay else 'nagle'}"
    folder.mkdir(parents=True)
    log, port = folder.with_suffix(".log"), free_port()
    options = ["--fork"] if fork else []
    command = [DCMTK / "storescp", "-q", *options, "-aet", "ANY", "+xa", "-pdu", MAX_PDU, "-od", folder, port]
    with running(System(name, port, launch(command, log, environment(no_delay)), folder), log) as system:
        yield system


@contextmanager
def pynetdicom(root: Path, studies: int, images: int) -> Iterator[System]:
    """Stock pynetdicom: an AE whose handlers write the encoded dataset, and answer queries from a list."""
    folder = root / "pynetdicom"
    folder.mkdir(parents=True)
    log, port = folder.with_suffix(".log"), free_port()
    script = Path(__file__).with_name("stock_pynetdicom.py")
    command = [sys.executable, script, port, folder, MAX_PDU, studies, images]
    with running(System("pynetdicom", port, launch(command, log, environment()), folder), log) as system:
        yield system


@contextmanager
def dcmqrscp(root: Path) -> Iterator[System]:
    """DCMTK's archive with one storage area of the greatest size."""
    folder = root / "dcmqrscp"
    area = folder / "area"
    area.mkdir(parents=True)
    log, port = folder / "dcmqrscp.log", free_port()
    config = folder / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = {MAX_PDU}\nMaxAssociations = 64\n"
        "HostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\nARCHIVE {area} RW ({QUERY_LIMIT}, 1024mb) ANY\nAETable END\n"
    )
    command = [DCMTK / "dcmqrscp", "-q", "-c", config]
    process = launch(command, log, environment())
    with running(System("DCMTK", port, process, area, ae_title="ARCHIVE", keeps=True), log) as system:
        yield system


@contextmanager
def node(root: Path, *, descriptors: int = 0, limit: int = 0, **settings: str) -> Iterator[System]:
    """The node's DICOM server as `radir scp` starts it, over an embedded Postgres that fsyncs.

    The worker that indexes and the pages are not running: they would compete for the processors with every system.
    descriptors: so many files are open in it from the start; limit: so many may be. Settings as SECTION__KEY="value".
    """
    home, log = root / "node", root / "node.log"
    home.mkdir(parents=True, exist_ok=True)
    system = System("node", 0, start_node(home, log, descriptors, limit, settings), home, "*.dcm", "RADIR")
    system.folder, system.spool = home / "instances", home / "spool"
    try:
        system.port = announced(home / "run" / "scp.json", system.process, log)
        if (home / "run" / "scp-tls.json").exists():
            system.tls_port = announced(home / "run" / "scp-tls.json", system.process, log)
        yield wait_until_listening(system, log)
    finally:
        system.stop()


def start_node(
    home: Path, log: Path, descriptors: int, limit: int, settings: dict[str, str]
) -> "subprocess.Popen[bytes]":
    named = {
        "STORAGE__ROOT": str(home),
        "STORAGE__MIN_FREE_MB": "0",
        "DICOM__PORT": "0",
        "DICOM__UNKNOWN_CALLERS": '["echo", "store", "find"]',
        "DICOM__MAX_PDU": str(MAX_PDU),
        "LOGGING__LEVEL": "warning",
        **settings,
    }
    (home / "run" / "scp.json").unlink(missing_ok=True)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))

    with ExitStack() as held, log.open("ab") as out:
        files = [held.enter_context(Path(os.devnull).open()) for _ in range(descriptors)]
        return subprocess.Popen(
            [sys.executable, "-m", "radir_node", "scp"],
            env=environment(**{f"RADIR_{key}": value for key, value in named.items()}),
            stdout=out,
            stderr=out,
            start_new_session=True,
            pass_fds=[file.fileno() for file in files],
            preexec_fn=limited if limit else None,  # noqa: PLW1509  # it takes no lock
        )


def announced(run_file: Path, process: "subprocess.Popen[bytes]", log: Path, seconds: float = 60) -> int:
    """The port that a service of the node wrote down; wait for it."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError, ValueError):
            return int(json.loads(run_file.read_text())["port"])
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the node does not start: {log.read_text()[-3000:]}")
        time.sleep(0.05)


@dataclass
class Memory:
    """Peak memory of a process group, sampled by a thread while it runs; megabytes."""

    group: int
    rss: float = 0
    pss: float = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Memory":
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(0.05):
            rss, pss = memory_of(group_members(self.group))
            self.rss, self.pss = max(self.rss, rss), max(self.pss, pss)


def memory_of(processes: list[int]) -> tuple[float, float]:
    """Resident and proportional set size of some processes together, in megabytes."""
    totals = {"Rss": 0, "Pss": 0}
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:  # it ended meanwhile
            continue
        for line in lines[1:]:
            name, _, rest = line.partition(":")
            if name in totals:
                totals[name] += int(rest.split()[0])
    return totals["Rss"] / 1024, totals["Pss"] / 1024


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
