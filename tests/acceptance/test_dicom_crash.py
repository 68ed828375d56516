"""kill -9 of the DICOM server's whole process group, at random moments of storage, commitment and C-MOVE.

A few kills here; `make crash-dicom` repeats each of them a hundred times and says what it saw.
"""

import hashlib
import json
import math
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)
from raw_peer import IMPLICIT, STUDY_FIND, RawPeer
from synthetic import CT, Files
from systems import DCMTK, announced, environment, group_members

from radir_node.catalog.database import Database, open_database

KILLS = int(os.environ.get("RADIR_TEST_KILLS", "3"))
"""Of each test."""

SENT = re.compile(r"Sending file: (?P<file>.+)")
COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"

Wait = Callable[[Callable[[], bool], float, Callable[[], str]], None]


@dataclass
class Group:
    """`radir scp`, and the worker where it is wanted, as one process group that is killed at once."""

    root: Path
    settings: dict[str, str]
    verbs: tuple[str, ...] = ("scp",)
    port: int = 0
    _leader: "subprocess.Popen[bytes] | None" = None

    def start(self) -> "Group":
        self.root.mkdir(exist_ok=True)
        run_file = self.root / "run" / "scp.json"
        run_file.unlink(missing_ok=True)
        log = self.root / "node.log"
        named = {
            "STORAGE__ROOT": str(self.root),
            "STORAGE__MIN_FREE_MB": "0",
            "DICOM__PORT": "0",
            "DICOM__UNKNOWN_CALLERS": '["echo", "store", "find", "move", "commitment"]',
            **self.settings,
        }
        env = environment(**{f"RADIR_{key}": value for key, value in named.items()})
        command = " ".join(f"{sys.executable} -m radir_node {verb} &" for verb in self.verbs) + " wait"
        with log.open("ab") as out:
            self._leader = subprocess.Popen(
                ["/bin/sh", "-c", command], env=env, stdout=out, stderr=out, start_new_session=True
            )
        self.port = announced(run_file, self._leader, log)
        with RawPeer(self.port, timeout=60) as peer:  # answered when the process that answers queries is there
            peer.associate([(STUDY_FIND, (IMPLICIT,))]).release()
        return self

    def kill(self) -> None:
        """kill -9 of every process at once."""
        if self._leader is None:
            return
        with suppress(ProcessLookupError):  # it never started
            os.killpg(self._leader.pid, signal.SIGKILL)
        self._leader.wait()
        while group_members(self._leader.pid):  # they end a moment later
            time.sleep(0.01)
        self._leader = None

    def kill_after(self, seconds: float) -> threading.Timer:
        timer = threading.Timer(seconds, self.kill)
        timer.start()
        return timer

    def kill_when(self, reached: Callable[[], bool], seconds: float) -> threading.Thread:
        """Kill so many seconds after something was reached, or after half a minute in which it was not."""

        def watch() -> None:
            deadline = time.monotonic() + 30
            while not reached() and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(seconds)
            self.kill()

        thread = threading.Thread(target=watch)
        thread.start()
        return thread


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url, Path())
    yield opened
    opened.close()


@pytest.fixture
def make_group(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Group]]:
    """Make groups that are killed when the test ends; settings as SECTION__KEY="value"."""
    made: list[Group] = []

    def make(*verbs: str, **settings: str) -> Group:
        settings = {"DATABASE__URL": database_url, **settings}
        made.append(Group(tmp_path / f"group{len(made)}", settings, verbs or ("scp",)))
        return made[-1]

    yield make
    for group in made:
        group.kill()


@dataclass
class Sender:
    """A caller that sends files no one has seen before, and notes which were answered 0x0000."""

    files: Files
    acknowledged: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID -> SHA-256 of the dataset as it was sent."""

    def start(self, port: int) -> "list[subprocess.Popen[str]]":
        self.files.renew()
        command = [str(DCMTK / "storescu"), "-v", "-aec", "RADIR", "-R", "+sd", "127.0.0.1", str(port)]
        return [
            subprocess.Popen(
                [*command, str(folder)],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for folder in self.files.folders
        ]

    def finish(self, senders: "list[subprocess.Popen[str]]") -> int:
        """Wait for the senders, note what was acknowledged, and return how many that were."""
        before = len(self.acknowledged)
        for sender in senders:
            output, _ = sender.communicate(timeout=60)
            current = None
            for line in output.splitlines():
                if match := SENT.search(line):
                    current = Path(match["file"].strip())
                elif "Received Store Response (Success)" in line and current is not None:
                    uid, digest = identity(current)
                    self.acknowledged[uid] = digest
        return len(self.acknowledged) - before


def identity(path: Path) -> tuple[str, str]:
    """SOP Instance UID and hash of the dataset of a file; what comes before it is not compared."""
    data = path.read_bytes()
    dataset = data[144 + int.from_bytes(data[140:144], "little") :]
    at = dataset.index(b"\x08\x00\x18\x00UI") + 8
    length = int.from_bytes(dataset[at - 2 : at], "little")
    return dataset[at : at + length].decode().rstrip("\0"), hashlib.sha256(dataset).hexdigest()


@pytest.mark.requirement("RN-02")
@pytest.mark.timeout(120 + 30 * KILLS)
def test_storage(make_group, database: Database, tmp_path: Path, wait: Wait) -> None:
    """What was answered 0x0000 before a kill is registered after the restart, once, byte for byte."""
    group = make_group()
    small = Sender(Files(100, 128, CT, [tmp_path / "small-0", tmp_path / "small-1"]).write())
    large = Sender(Files(5, 1600, CT, [tmp_path / "large-0", tmp_path / "large-1"]).write())
    rng = random.Random(KILLS)
    kept, whole = 0, math.inf  # seconds that a send takes when nothing disturbs it
    every = sum(sender.files.count * len(sender.files.folders) for sender in (small, large))
    for number in range(KILLS + 1):
        group.start()
        begin = time.monotonic()
        running = [(sender, sender.start(group.port)) for sender in (small, large)]
        # The first send is not disturbed; a kill comes at any moment of it, or while the last is being registered.
        killer = group.kill_after(rng.uniform(0.02, 1.2 * whole) if number else 60)
        taken = sum(sender.finish(processes) for sender, processes in running)
        whole = min(whole, time.monotonic() - begin) if taken == every else whole
        kept += taken
        if number == 0:
            killer.cancel()
            group.kill()
        killer.join()
        say(f"kill {number + 1}: {kept} acknowledged so far")
    group.start()
    promised = small.acknowledged | large.acknowledged

    wait(lambda: set(promised) <= set(held(database)), 60, lambda: f"{len(set(promised) - set(held(database)))} lost")

    found = held(database)
    assert kept > 10 * KILLS
    assert {1} == {len(paths) for paths in found.values()}
    assert promised == {uid: identity(group.root / found[uid][0])[1] for uid in promised}
    assert sorted(path for paths in found.values() for path in paths) == files_of(group.root)
    assert [] == list((group.root / "incoming").glob("*.part"))
    say(f"{KILLS} kills during storage: {len(promised)} acknowledged, {len(found)} registered, none lost, none twice")


def held(database: Database) -> dict[str, list[str]]:
    """SOP Instance UID -> path of each row that the catalogue has of it."""
    found: dict[str, list[str]] = defaultdict(list)
    with database.begin() as connection:
        for uid, path in connection.execute(sa.text("select sop_instance_uid, path from instance")):
            found[uid].append(path)
    return found


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / "instances").rglob("*.dcm"))


@dataclass
class Listener:
    """A stock pynetdicom AE that takes objects and storage commitment reports, and notes all of them."""

    ae_title: str
    port: int
    stored: list[tuple[str, str]] = field(default_factory=list)
    """(SOP Instance UID, Message ID of the C-MOVE it belongs to)."""
    reports: list[tuple[str, int, int]] = field(default_factory=list)
    """(Transaction UID, committed objects, failed objects)."""
    told_in: list[tuple[str, int]] = field(default_factory=list)
    """(Transaction UID, life of the node) of each report."""
    life: int = 0
    """How often the node was killed so far."""
    delay: float = 0.0

    def serve(self) -> Any:
        ae = AE(self.ae_title)
        ae.add_supported_context(Verification)
        ae.add_supported_context(CTImageStorage)
        ae.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        handlers = [(evt.EVT_C_STORE, self._store), (evt.EVT_N_EVENT_REPORT, self._report)]
        return ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def _store(self, event: Any) -> int:
        time.sleep(self.delay)  # a C-MOVE of a few objects would be over before it can be killed
        request = event.request
        self.stored.append((str(request.AffectedSOPInstanceUID), str(request.MoveOriginatorMessageID)))
        return 0x0000

    def _report(self, event: Any) -> tuple[int, None]:
        information = event.event_information
        counts = (len(information.get(name, [])) for name in ("ReferencedSOPSequence", "FailedSOPSequence"))
        self.reports.append((str(information.TransactionUID), *counts))
        self.told_in.append((str(information.TransactionUID), self.life))
        return 0x0000, None


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    listening = Listener("MODALITY", port)
    server = listening.serve()
    yield listening
    server.shutdown()


def as_peer(listener: Listener) -> str:
    return json.dumps({"modality": {"ae_title": listener.ae_title, "host": "127.0.0.1", "port": listener.port}})


@pytest.mark.timeout(240 + 30 * KILLS)
def test_commitment(make_group, listener: Listener, tmp_path: Path, wait: Wait) -> None:
    """Every request that was answered with success is reported after the restart, with all that was acknowledged."""
    # A peer's time to answer is the time for which a killed worker's report waits: five minutes if nothing is said.
    group = make_group("scp", "worker", DICOM__PEERS=as_peer(listener), DICOM__TIMEOUTS__RESPONSE_SECONDS="10")
    sender = Sender(Files(12, 64, CT, [tmp_path / "sent"]).write())
    rng = random.Random(KILLS)
    promised: dict[str, int] = {}
    for number in range(KILLS):
        listener.life = number
        group.start()
        known = set(sender.acknowledged)
        sender.finish(sender.start(group.port))
        uids = sorted(set(sender.acknowledged) - known)
        # The node dies between or within the answers to three requests, or while it reports, seconds later.
        asked, reported = len(promised), len(listener.reports)
        wanted = rng.choice((0, 1, 2, 3, 4, 5, 6))
        if wanted <= 3:
            killer = group.kill_when(lambda n=asked + wanted: len(promised) >= n, rng.uniform(0, 0.1))
        else:
            killer = group.kill_when(lambda n=reported + wanted - 3: len(listener.reports) >= n, rng.uniform(0, 0.02))
        for _ in range(3):
            transaction = generate_uid()
            if request_commitment(group.port, transaction, uids):
                promised[transaction] = len(uids)
        killer.join()
        say(f"kill {number + 1}: {len(promised)} promised, {len(told(listener))} reported so far")
    listener.life = KILLS
    group.start()

    wait(lambda: set(promised) <= told(listener), 180, lambda: f"{len(set(promised) - told(listener))} never reported")

    assert promised
    assert {} == {t: seen for t, *seen in listener.reports if t in promised and seen != [promised[t], 0]}
    # A kill between a peer's answer and the note of it costs a second telling; nothing else may.
    assert {} == {each: count for each, count in Counter(listener.told_in).items() if count > 1}
    again = len(listener.told_in) - len(told(listener))
    say(f"{KILLS} kills during commitment: {len(promised)} promised, all reported; {again} told again after a kill")


def told(listener: Listener) -> set[str]:
    return {transaction for transaction, *_ in listener.reports}


def request_commitment(port: int, transaction_uid: str, sop_instance_uids: list[str]) -> bool:
    """N-ACTION; whether it was answered with success."""
    information = Dataset()
    information.TransactionUID = transaction_uid
    information.ReferencedSOPSequence = []
    for uid in sop_instance_uids:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, uid
        information.ReferencedSOPSequence.append(item)
    ae = AE("MODALITY")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 10
    ae.add_requested_context(StorageCommitmentPushModel)
    association = ae.associate("127.0.0.1", port, ae_title="RADIR")
    if not association.is_established:
        return False
    try:
        status, _ = association.send_n_action(information, 1, StorageCommitmentPushModel, COMMITMENT_INSTANCE)
    except (RuntimeError, ValueError):
        return False
    if association.is_established:
        association.release()
    return "Status" in status and status.Status == 0


@pytest.mark.timeout(120 + 30 * KILLS)
def test_move(make_group, database: Database, listener: Listener, tmp_path: Path, wait: Wait) -> None:
    """A C-MOVE that a kill cuts off delivers nothing twice, and nothing more until it is asked for again."""
    listener.delay = 0.02
    group = make_group("scp", "worker", DICOM__PEERS=as_peer(listener))
    sender = Sender(Files(30, 64, CT, [tmp_path / "sent"]).write())
    rng = random.Random(KILLS)
    group.start()
    assert sender.finish(sender.start(group.port)) == 30
    wait(lambda: len(held(database)) == 30, 30, lambda: "not registered")
    study = study_of(sender.files)
    delivered = 0
    for number in range(KILLS):
        before = len(listener.stored)
        wanted = before + rng.randrange(31)
        killer = group.kill_when(lambda n=wanted: len(listener.stored) >= n, rng.uniform(0, 0.03))
        counts = move(group.port, study)
        killer.join()
        group.start()  # it has time to do what it was doing, and must not
        received = listener.stored[before:]
        times = Counter(uid for uid, _ in received)
        assert {} == {uid: count for uid, count in times.items() if count > 1}
        assert set(times) <= set(sender.acknowledged)
        assert counts is None or counts == (30, 0)
        delivered += len(received)
        say(f"kill {number + 1}: {len(received)} of 30 delivered before it")
    before = len(listener.stored)

    counts = move(group.port, study)

    assert counts == (30, 0)
    assert sorted(sender.acknowledged) == sorted(uid for uid, _ in listener.stored[before:])
    say(f"{KILLS} kills during C-MOVE: {delivered} objects delivered before a kill, none twice, none unasked")


def study_of(files: Files) -> str:
    data = next(files.folders[0].iterdir()).read_bytes()
    at = data.index(b"\x20\x00\x0d\x00UI") + 8
    return data[at : at + int.from_bytes(data[at - 2 : at], "little")].decode().rstrip("\0")


def move(port: int, study_instance_uid: str) -> tuple[int, int] | None:
    """C-MOVE of a study to the listener; completed and failed sub-operations, None where no final answer came."""
    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID = "STUDY", study_instance_uid
    ae = AE("MODALITY")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    ae.add_requested_context(StudyRootQueryRetrieveInformationModelMove)
    association = ae.associate("127.0.0.1", port, ae_title="RADIR")
    if not association.is_established:
        return None
    last = None
    for status, _ in association.send_c_move(keys, "MODALITY", StudyRootQueryRetrieveInformationModelMove):
        last = status
    if association.is_established:
        association.release()
    if last is None or "Status" not in last or last.Status in (0xFF00, 0xFF01):
        return None
    return last.NumberOfCompletedSuboperations, last.NumberOfFailedSuboperations


def say(line: str) -> None:
    """For `make crash-dicom`, which shows what is written."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
