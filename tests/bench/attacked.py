"""A server under attack: what it holds, whether it still answers, how it ends a connection.

Used by tests/dicom/faults and by the fuzzer.
"""

import os
import re
import select
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from raw_peer import (
    ABORT,
    ASSOCIATE_RJ,
    CT_IMAGE,
    EXPLICIT,
    IMPLICIT,
    P_DATA,
    STUDY_FIND,
    STUDY_MOVE,
    VERIFICATION,
    Closed,
    PeerError,
    RawPeer,
    Silent,
    ct_slice,
    element,
    find_rq,
)
from systems import DCMTK, environment

REQUEST, PDU, IDLE, ASSOCIATION = 1.0, 1.0, 2.0, 5.0
"""Deadlines of the servers under attack, in seconds; those of a hospital are longer, and kept by the same code."""

LINGER = 5.0
"""How long a server that has aborted may wait for its peer to close (PS3.8 9.1.5, ARTIM)."""

SLACK = 1.5
"""By how much an end may be late: a watchdog looks at intervals, and a busy machine has other work."""

CONTEXTS = [
    (VERIFICATION, (IMPLICIT,)),
    (CT_IMAGE, (EXPLICIT,)),
    (STUDY_FIND, (IMPLICIT,)),
    (STUDY_MOVE, (IMPLICIT,)),
]
"""Context ids 1, 3, 5 and 7."""

STUDY_LEVEL = element(0x52, b"STUDY ", 8)
ANY_STUDY = STUDY_LEVEL + element(0x000D, b"", 0x20)
"""An identifier that every study matches."""


FAILURES = ('"level": "error"', "Traceback (most recent call last)")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server holds."""

    rss_mb: float
    threads: int
    descriptors: int


@dataclass
class Target:
    """A server under attack."""

    port: int
    root: Path
    """Its storage root."""
    pids: Callable[[], list[int]]
    rss_mb: float
    """By how much its memory may grow: allocators keep what they had once."""
    tls_port: int = 0
    log: Path | None = None
    """Where a process group logs."""
    before: Usage = Usage(0, 0, 0)
    files: Counter[str] = field(default_factory=Counter)

    def usage(self) -> Usage:
        rss = threads = descriptors = 0
        for pid in self.pids():
            status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            rss += int(status["VmRSS"].split()[0])
            threads += int(status["Threads"])
            descriptors += len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208  # of names that vanish meanwhile
        return Usage(rss / 1024, threads, descriptors)

    def warm_up(self, times: int = 24) -> None:
        """Use each service, in every process of a group, so that what is made on first use is made."""
        for number in range(times):
            with RawPeer(self.port) as peer:
                peer.associate(CONTEXTS[: 2 + 2 * (number % 2)])  # with C-FIND another process serves it
                peer.echo()
                assert peer.store(3, CT_IMAGE, f"2.25.8.{number}", ct_slice(f"2.25.8.{number}")) == 0
                peer.store(3, CT_IMAGE, "1.2.3", b"")
                if number % 2:
                    peer.send(find_rq(5, ANY_STUDY))
                    while peer.read_message().command["Status"] in (0xFF00, 0xFF01):
                        pass
                peer.release()
        self.note()

    def note(self) -> None:
        """Take what it holds now for what it holds without an attack."""
        self.before = self.usage()
        self.files = self.open_files()

    def crowd(self) -> None:
        """Open as many connections and associations as it takes at a time, once: buffers are made and kept."""
        with ExitStack() as open_peers:
            for _ in range(400):
                open_peers.enter_context(RawPeer(self.port))
            for number in range(100):
                peer = open_peers.enter_context(RawPeer(self.port))
                with suppress(PeerError):
                    peer.associate(CONTEXTS, calling=f"CROWD{number}")

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """Yield a list that fills with its memory in MB, every few milliseconds, while the block runs."""
        seen = [self.usage().rss_mb]
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                seen.append(self.usage().rss_mb)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield seen
        finally:
            over.set()
            thread.join()

    def by_process(self) -> str:
        """Resident memory of each process, in MB."""
        found = []
        for pid in self.pids():
            with suppress(OSError):
                found.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20)
        return " + ".join(map(str, found))

    def open_files(self) -> Counter[str]:
        """What the descriptors of the server are."""
        found: Counter[str] = Counter()
        for pid in self.pids():
            for entry in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    found[re.sub(r"[0-9a-f-]{8,}|\d+", "#", str(entry.readlink()))] += 1
        return found

    def difference(self) -> str:
        """What it holds more than before the attack, in words."""
        return f"{self.usage()} after {self.before}; opened: {dict(self.open_files() - self.files)}"

    def failures(self) -> list[str]:
        """Lines of the log that a server without faults never writes, whatever its peers send."""
        if self.log is None:
            return []
        lines = self.log.read_text(errors="replace").splitlines()
        return [line[:300] for line in lines if any(word in line for word in FAILURES)]

    def echo(self) -> bool:
        """Whether DCMTK's echoscu gets its answer within a second, the start of the program included."""
        command = [str(DCMTK / "echoscu"), "-aec", "RADIR", "127.0.0.1", str(self.port)]
        return ended_well(command)

    def answers(self) -> bool:
        """Whether it answers in time; a program that starts on a busy machine gets a second and a third chance."""
        return any(self.echo() for _ in range(3))

    def quiet(self) -> bool:
        """Whether it holds no more than before the attack."""
        now = self.usage()
        return (
            now.threads <= self.before.threads
            and now.descriptors <= self.before.descriptors
            and now.rss_mb <= self.before.rss_mb + self.rss_mb
            and not list((self.root / "incoming").glob("*.part"))
        )


def ended_well(command: list[str], folder: Path | None = None, seconds: float = 1) -> bool:
    """Whether a program ends with 0 within so many seconds."""
    try:
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def installed(program: str) -> bool:
    return (DCMTK / program).is_file() or shutil.which(program) is not None


def ended_within(peer: RawPeer, seconds: float) -> str:
    """How the server ended a connection; "still open" where it did not within so many seconds."""
    peer.socket.settimeout(seconds)
    deadline = time.monotonic() + seconds
    try:
        how = peer.ended()
    except Silent:
        return "still open"
    return how if time.monotonic() < deadline else "too late"


def closed_within(peer: RawPeer, seconds: float) -> bool:
    """Whether the server closes a connection, whatever it says before."""
    peer.socket.settimeout(seconds)
    try:
        while peer.socket.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def trickle(peer: RawPeer, pieces: list[bytes], seconds: float, pause: float) -> float:
    """Send piece after piece with a pause between them; return seconds until the server ended it, or `seconds`."""
    start = time.monotonic()
    poll = select.poll()
    poll.register(peer.socket, select.POLLIN | select.POLLHUP)
    for piece in pieces:
        try:
            peer.send(piece)
        except OSError:
            break
        if poll.poll(pause * 1000):
            break
        if time.monotonic() - start > seconds:
            return seconds
    return time.monotonic() - start


def reaction(port: int, sent: bytes, established: bool) -> str:
    """What the server does: how it ends the connection, "answered", "goes on" (the next request is), or "silent"."""
    with RawPeer(port, timeout=1) as peer:
        if established:
            peer.associate(CONTEXTS)
        try:
            peer.send(sent)
            if established and not said_something(peer):
                return "goes on" if peer.echo() == 0 else "silent"
            kind, _ = peer.read_pdu()
        except Silent:
            return "silent"
        except (Closed, OSError):
            return "closed"
        return {ABORT: "aborted", P_DATA: "answered", ASSOCIATE_RJ: "rejected"}.get(kind, f"PDU of type {kind}")


def said_something(peer: RawPeer, seconds: float = 0.5) -> bool:
    poll = select.poll()
    poll.register(peer.socket, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(seconds * 1000))
