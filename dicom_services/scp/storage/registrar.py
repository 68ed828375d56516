"""Moves acknowledged objects from the spool into the catalogue, in the order received, many in one transaction.

One per storage root: a process of its own beside the workers (prefork.py), a thread in a small installation
(server.py). A retrieve or query first asks it, by `Flush`, for everything that was acknowledged before.
"""

import ctypes
import datetime as dt
import hashlib
import itertools
import os
import select
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from dicom_services.objects.announced import identity_of
from dicom_services.objects.header import HEADER_KEYWORDS, header_of
from dicom_services.objects.part10 import open_dataset
from dicom_services.scp.ports import ArchivePort
from dicom_services.scp.storage.journal import Reader, Record, sync_folder
from dicom_services.scp.storage.spool import Acknowledged, Spool, split_meta
from radir_node.domain.stored import Refusal, Registered, StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.errors import NotIndexable, TransientError

log = structlog.get_logger()

_T = TypeVar("_T")

_BATCH = 100
_BATCH_BYTES = 16 << 20
_MOST_REFUSALS = 1000
"""Noted in one round: a flood of refused objects must not hold up those that were taken."""
_AE_TITLE_BYTES = 16
_IDLE_SECONDS = 1.0
"""How often the spool is looked at without being asked: after the catalogue was away, or a wake-up was lost."""
_GATHER_SECONDS = 1.0
_SILENCE_SECONDS = 0.03
_BLINK_SECONDS = 0.03
_SYNC_BYTES = 32 << 20
_TICKET_BYTES = 8
_HEAD_BYTES = 65536
_LIBC = ctypes.CDLL(None, use_errno=True)


class Wake:
    """Tells the registrar that something was published; made before the workers fork, shared by all of them."""

    def __init__(self) -> None:
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        return self._descriptor

    def ring(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_write(self._descriptor, 1)

    def hush(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)


class Flush:
    """One process's way to wait until what a caller was acknowledged is in the catalogue. Thread-safe."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._tickets = itertools.count(1)
        self._lock = threading.Lock()
        self._asked: dict[bytes, threading.Event] = {}
        threading.Thread(target=self._listen, name="flush", daemon=True).start()

    def before_answering(self, ae_title: str) -> None:
        """Wait until a caller finds what it has sent itself; for what others send at the moment only a blink."""
        if not self(seconds=_BLINK_SECONDS):
            self(ae_title)

    def __call__(self, ae_title: str = "", seconds: float = 1.0) -> bool:
        """Wait for what this AE title has sent, "" = anybody.

        False when the catalogue is behind or away: what is there is answered then.
        """
        answered = threading.Event()
        with self._lock:
            ticket = next(self._tickets).to_bytes(_TICKET_BYTES, "big")
            self._asked[ticket] = answered
        try:
            self._line.send(ticket + ae_title.encode("latin-1", "replace"), socket.MSG_DONTWAIT)
            return answered.wait(seconds)
        except OSError:  # the registrar is far behind, or the server stops
            return False
        finally:
            with self._lock:
                del self._asked[ticket]

    def _listen(self) -> None:
        with suppress(OSError):
            while ticket := self._line.recv(_TICKET_BYTES):
                with self._lock:
                    answered = self._asked.get(ticket)
                if answered is not None:
                    answered.set()


@dataclass(frozen=True, slots=True)
class _Ticket:
    """Somebody waits for what an AE title was acknowledged."""

    line: socket.socket
    number: bytes
    ae_title: str

    def concerns(self, item: Acknowledged) -> bool:
        return not self.ae_title or item.calling_ae_title == self.ae_title

    def answer(self) -> None:
        with suppress(OSError):  # its process is gone, or does not read any more
            self.line.send(self.number, socket.MSG_DONTWAIT)


class Registrar:
    """Reads one spool. `run` blocks until `stop`, and then registers what is left."""

    def __init__(
        self,
        spool: Spool,
        archive: ArchivePort,
        wake: Wake,
        lines: Sequence[socket.socket],
        *,
        spare_segments: int = 0,
    ) -> None:
        """lines: the registrar's ends of the Flush lines; spare_segments: of the journal, to be kept ready."""
        self._spool = spool
        self._archive = archive
        self._wake = wake
        self._lines = {line.fileno(): line for line in lines}
        self._asking = _polling(*self._lines)
        self._anything = _polling(wake.fileno(), *self._lines)
        self._journal = Reader(spool.folder)
        self._spare_segments = spare_segments
        self._backlog: list[Acknowledged] = []
        """What was read from the journal and is not registered yet."""
        self._tickets: list[_Ticket] = []
        self._unsynced_bytes = 0
        self._stopping = False

    def run(self) -> None:
        idle_ms = 0.0
        while not self._stopping:
            busy = bool(self._anything.poll(idle_ms))
            if busy:
                self._gather()
            if not self.register_all():
                time.sleep(_IDLE_SECONDS)
            idle_ms = 0.0 if not busy and self._prepare() else _IDLE_SECONDS * 1000
        if self.register_all():
            self._settle()
        self._journal.close()

    def stop(self) -> None:
        """Let `run` end. May be called by a signal handler: takes no lock that the interrupted code might hold."""
        self._stopping = True
        self._wake.ring()

    def register_all(self) -> bool:
        """Register what is acknowledged now, and answer who asked; False when the catalogue does not take it."""
        try:
            self._note_refusals()
            waiting = self._read()
            while waiting:
                batch = _first_batch(waiting)
                self._register(batch)
                if self._hear():
                    waiting = self._read()  # who asks now may wait for what came since
                else:
                    waiting = waiting[len(batch) :]
                    self._answer(waiting)
        except TransientError as error:
            log.warning("catalogue_not_reached", error=type(error).__name__)
            self._tickets.clear()
            return False
        except OSError as error:
            log.error("spool_not_readable", reason=error.strerror)
            self._tickets.clear()
            return False
        if self._unsynced_bytes > _SYNC_BYTES:
            self._settle()
        return True

    def _read(self) -> list[Acknowledged]:
        """Return everything that waits, in the order received; who waits for none of it is answered."""
        self._backlog += [Acknowledged(r.received_ns, r.ae_title, r.length, r) for r in self._journal.read()]
        waiting = sorted(self._backlog + self._spool.files(), key=lambda item: item.received_ns)
        self._answer(waiting)
        return waiting

    def _gather(self) -> None:
        """Wait while more comes, up to a second: a batch costs little more than one object, and a burst is taken
        faster while nobody else needs processor and disk. Who asks ends the wait."""
        until = time.monotonic() + _GATHER_SECONDS
        coming = True
        while coming and not self._hear() and time.monotonic() < until:
            self._wake.hush()
            coming = bool(self._anything.poll(_SILENCE_SECONDS * 1000))

    def _hear(self) -> bool:
        """Take the tickets that have come; say whether there were any."""
        asking = self._asking.poll(0)
        for descriptor, _ in asking:
            line = self._lines[descriptor]
            message = line.recv(_TICKET_BYTES + _AE_TITLE_BYTES)
            ae_title = message[_TICKET_BYTES:].decode("latin-1")
            self._tickets.append(_Ticket(line, message[:_TICKET_BYTES], ae_title))
        return bool(asking)

    def _answer(self, waiting: Sequence[Acknowledged]) -> None:
        still = []
        for ticket in self._tickets:
            if any(ticket.concerns(item) for item in waiting):
                still.append(ticket)
            else:
                ticket.answer()
        self._tickets = still

    def _prepare(self) -> bool:
        """Do what can wait for a quiet moment; False when nothing is left to do."""
        self._settle()
        try:
            return self._journal.provide(self._spare_segments)
        except OSError:
            return False  # no room: receiving says so too

    def _settle(self) -> None:
        """Let the journal forget what is registered, once its files are on the disk."""
        if self._backlog:
            return
        if self._unsynced_bytes:
            sync_file_system(self._spool.root)
            self._unsynced_bytes = 0
        self._journal.settle()

    def _register(self, batch: Sequence[Acknowledged]) -> None:
        placed = [made for item in batch if (made := self._place(item)) is not None]
        try:
            outcomes = self._archive.register_all([item.stored for item in placed])
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001  # one object that no catalogue takes must not hold up the others
            if len(batch) > 1:
                for item in batch:
                    self._register([item])
            else:
                self._set_aside(batch[0], error)
            return
        for done, outcome in zip(placed, outcomes, strict=True):
            if outcome is Registered.KEPT and done.created:
                done.final.unlink(missing_ok=True)
            if isinstance(done.item.source, Path):
                done.item.source.unlink(missing_ok=True)
            else:
                self._backlog.remove(done.item)

    def _place(self, item: Acknowledged) -> "_Placed | None":
        """Bring the object under the name of its content; None when it is gone, or is not what was acknowledged."""
        try:
            if isinstance(item.source, Path):
                return self._linked(item, item.source)
            return self._written(item, item.source)
        except FileNotFoundError:  # another registrar was quicker
            return None
        except NotIndexable as error:
            self._set_aside(item, error)
            return None

    def _linked(self, item: Acknowledged, path: Path) -> "_Placed":
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
        final = self._final(digest)
        created = not final.exists()
        self._spool.link(path, final)
        sync_folder(final.parent)
        return _placed(item, self._spool.root, final, created, size)

    def _written(self, item: Acknowledged, record: Record) -> "_Placed":
        payload = record.payload()
        final = self._final(hashlib.sha256(payload).hexdigest())
        created = not final.exists()
        if created or final.read_bytes() != payload:  # a power failure leaves names without content
            self._spool.write(final, payload)
        self._unsynced_bytes += len(payload)  # also what a registrar wrote that died before it was synced
        return _placed(item, self._spool.root, final, created, len(payload))

    def _final(self, digest: str) -> Path:
        return self._spool.instances / digest[:2] / f"{digest}.dcm"

    def _set_aside(self, item: Acknowledged, error: Exception) -> None:
        """Keep an acknowledged object that cannot be registered where people find it."""
        name = f"{item.received_ns}-{uuid.uuid4().hex[:12]}.dcm"
        log.error("object_quarantined", error=type(error).__name__, file=name)
        if isinstance(item.source, Path):
            item.source.rename(self._spool.quarantine / name)
        else:
            self._spool.write(self._spool.quarantine / name, item.source.payload())
            self._unsynced_bytes += item.size
            self._backlog.remove(item)
        refusal = Refusal("the catalogue does not take it; see the folder quarantine", item.calling_ae_title, "")
        self._archive.refuse_all([refusal])

    def _note_refusals(self) -> None:
        for batch in _batches(self._spool.refusals(_MOST_REFUSALS)):
            self._archive.refuse_all([refusal for _, refusal in batch])
            for path, _ in batch:
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Placed:
    """One object under its final name."""

    item: Acknowledged
    final: Path
    created: bool
    stored: StoredInstance


def _placed(item: Acknowledged, root: Path, final: Path, created: bool, size: int) -> _Placed:
    received = dt.datetime.fromtimestamp(item.received_ns / 1e9, dt.UTC)
    path = final.relative_to(root).as_posix()
    stored = StoredInstance(_header(final), path, size, final.stem, item.calling_ae_title, received)
    return _Placed(item, final, created, stored)


def _header(path: Path) -> InstanceHeader:
    """Read the header; of an object that the full parser does not read, at least who it is."""
    try:
        return header_of(open_dataset(path, pixels=False, keywords=HEADER_KEYWORDS))
    except NotIndexable:
        with path.open("rb") as file:
            meta, head = split_meta(file.read(_HEAD_BYTES))
        identity = identity_of(head, meta.transfer_syntax_uid)
        if identity is None:  # it was acknowledged, so the full parser did read it then; the file was changed since
            raise
    return InstanceHeader(
        sop_instance_uid=identity.sop_instance_uid,
        sop_class_uid=identity.sop_class_uid,
        transfer_syntax_uid=meta.transfer_syntax_uid,
        study_instance_uid=identity.study_instance_uid,
        series_instance_uid=identity.series_instance_uid,
    )


def sync_file_system(path: Path) -> None:
    """Flush everything written to the file system that holds the path (syncfs(2))."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _LIBC.syncfs(descriptor):
            raise OSError(ctypes.get_errno(), "syncfs failed")
    finally:
        os.close(descriptor)


def _polling(*descriptors: int) -> "select.poll":
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return poll


def _first_batch(waiting: Sequence[Acknowledged]) -> list[Acknowledged]:
    """Return the first 100 objects, or as many as make 16 MB; one at least."""
    sizes = itertools.accumulate(item.size for item in waiting[:_BATCH])
    count = sum(1 for size in sizes if size <= _BATCH_BYTES)
    return list(waiting[: max(count, 1)])


def _batches(items: Iterable[_T]) -> Iterable[list[_T]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield batch
