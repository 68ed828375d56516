"""Moves acknowledged objects from the spool into the catalogue, in the order received, many in one transaction.

One per storage root: a process of its own beside the workers (prefork.py), a thread in a small installation
(server.py). A retrieve or query first asks it, by `Flush`, for everything that was acknowledged before.
"""

import datetime as dt
import hashlib
import itertools
import os
import select
import socket
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import structlog

from dicom_services.objects.announced import identity_of
from dicom_services.objects.header import HEADER_KEYWORDS, header_of
from dicom_services.objects.part10 import open_dataset
from dicom_services.scp.ports import ArchivePort
from dicom_services.scp.spool import Acknowledged, Spool, split_meta, sync_folder
from radir_node.domain.stored import Refusal, Registered, StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.errors import NotIndexable, TransientError

log = structlog.get_logger()

_T = TypeVar("_T")

_BATCH = 100
_IDLE_SECONDS = 1.0
"""How often the spool is looked at without being asked: after the catalogue was away, or a wake-up was lost."""
_TICKET_BYTES = 8


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
    """One process's way to wait until all that was acknowledged is in the catalogue. Thread-safe."""

    def __init__(self, spool: Spool, line: socket.socket, seconds: float = 1.0) -> None:
        self._spool = spool
        self._line = line
        self._seconds = seconds
        self._lock = threading.Lock()
        self._tickets = itertools.count(1)

    def __call__(self) -> bool:
        """Wait, one second at most; False when the catalogue is behind or away: what is there is answered then."""
        if self._spool.is_empty():
            return True
        with self._lock:
            ticket = next(self._tickets).to_bytes(_TICKET_BYTES, "big")
            self._line.settimeout(self._seconds)
            try:
                self._line.send(ticket)
                while self._line.recv(_TICKET_BYTES) != ticket:
                    continue  # the answer to a question that was given up
            except OSError:
                return False
        return True


@dataclass
class Registrar:
    """Reads one spool. `run` blocks until `stop`, and then registers what is left."""

    spool: Spool
    archive: ArchivePort
    wake: Wake
    lines: Sequence[socket.socket]
    """The registrar's ends of the Flush lines."""
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        poll = select.poll()
        by_descriptor = {line.fileno(): line for line in self.lines}
        for descriptor in (self.wake.fileno(), *by_descriptor):
            poll.register(descriptor, select.POLLIN)
        while not self._stopping.is_set():
            ready = poll.poll(_IDLE_SECONDS * 1000)
            self.wake.hush()
            asked = [by_descriptor[d] for d, _ in ready if d in by_descriptor]
            tickets = [(line, line.recv(_TICKET_BYTES)) for line in asked]
            if self.register_all():
                for line, ticket in tickets:
                    with suppress(OSError):
                        line.send(ticket, socket.MSG_DONTWAIT)
            else:
                self._stopping.wait(_IDLE_SECONDS)
        self.register_all()

    def stop(self) -> None:
        self._stopping.set()
        self.wake.ring()

    def register_all(self) -> bool:
        """Register what lies in the spool now; False when the catalogue does not take it."""
        try:
            for batch in _batches(self.spool.objects()):
                self._register(batch)
            self._note_refusals()
        except TransientError as error:
            log.warning("catalogue_not_reached", error=type(error).__name__)
            return False
        except OSError as error:
            log.error("spool_not_readable", reason=error.strerror)
            return False
        return True

    def _register(self, batch: Sequence[Acknowledged]) -> None:
        placed = [made for item in batch if (made := self._place(item)) is not None]
        for folder in {item.final.parent for item in placed}:
            sync_folder(folder)
        try:
            outcomes = self.archive.register_all([item.stored for item in placed])
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
            done.source.unlink(missing_ok=True)

    def _place(self, item: Acknowledged) -> "_Placed | None":
        """Link the object under the name of its content; None when another registrar was quicker."""
        try:
            header = _header(item.path)
            with item.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = file.tell()
            final = self.spool.instances / digest[:2] / f"{digest}.dcm"
            created = not final.exists()
            if created:
                with suppress(FileExistsError):
                    os.link(item.path, final)
        except FileNotFoundError:
            return None
        except NotIndexable as error:
            self._set_aside(item, error)
            return None
        received = dt.datetime.fromtimestamp(item.received_ns / 1e9, dt.UTC)
        path = final.relative_to(self.spool.root).as_posix()
        stored = StoredInstance(header, path, size, digest, item.calling_ae_title, received)
        return _Placed(item.path, final, created, stored)

    def _set_aside(self, item: Acknowledged, error: Exception) -> None:
        log.error("object_quarantined", error=type(error).__name__, file=item.path.name)
        with suppress(FileNotFoundError):
            item.path.rename(self.spool.quarantine / item.path.name)
        refusal = Refusal("the catalogue does not take it; see the folder quarantine", item.calling_ae_title, "")
        self.archive.refuse_all([refusal])

    def _note_refusals(self) -> None:
        for batch in _batches(self.spool.refusals()):
            self.archive.refuse_all([refusal for _, refusal in batch])
            for path, _ in batch:
                path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Placed:
    """One object under its final name, still in the spool."""

    source: Path
    final: Path
    created: bool
    stored: StoredInstance


def _header(path: Path) -> InstanceHeader:
    """Read the header; of an object that the full parser does not read, at least who it is."""
    try:
        return header_of(open_dataset(path, pixels=False, keywords=HEADER_KEYWORDS))
    except NotIndexable:
        meta, head = split_meta(path)
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


def _batches(items: Iterable[_T]) -> Iterable[list[_T]]:
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield batch
