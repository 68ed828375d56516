"""Where received objects become durable: what is acknowledged and not yet in the catalogue waits in <root>/spool.

Written by store.py for every C-STORE, read by registrar.py. Small objects are appended to a journal, large ones get a
file; either is flushed to the disk, folder included, before the sender hears 0x0000. Whatever dies afterwards, the next
registrar finds it. Receiving therefore needs no database, and goes on while it is away.
"""

import ctypes
import fcntl
import itertools
import json
import os
import shutil
import struct
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from dicom_services.identity import IMPLEMENTATION_CLASS_UID
from dicom_services.scp.storage.journal import LONGEST_OBJECT, Record, Writer, sweep, sync_folder, unsettled
from radir_node.domain.stored import Refusal
from radir_node.errors import InvalidSetting, NotIndexable, StorageFull

PREDECESSOR_SECONDS = 20.0
"""How long a server that was told to stop may still be ending its associations when the next begins."""
_LOOK_SECONDS = 0.1
_HEAD_BYTES = 65536
"""Of each data set, kept in memory to check who it is."""
_WRITE_BACK_BYTES = 2 << 20
_SYNC_FILE_RANGE_WRITE = 2
_LIBC = ctypes.CDLL(None, use_errno=True)
_OBJECT, _REFUSAL = ".dcm", ".json"
_PREFIX_BYTES, _GROUP_LENGTH_BYTES, _VERSION_BYTES = 132, 12, 14
"""Of the file meta information that `file_meta` writes: preamble and DICM, and its first two elements."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the association and the C-STORE command say about the data set that follows."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """One object in the spool: a file of its own, or a record of the journal."""

    received_ns: int
    """Nanoseconds since the epoch."""
    calling_ae_title: str
    size: int
    """Bytes."""
    source: Path | Record


class _PartFile:
    """A large object being received. It has no name in the spool before it is complete and flushed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self._size = self._started = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        self._size += len(data)
        if self._size - self._started >= _WRITE_BACK_BYTES:
            write_back(self._file, self._started, self._size - self._started)
            self._started = self._size

    def publish(self, final: Path) -> None:
        os.fsync(self._file)
        self.path.rename(final)
        sync_folder(final.parent)

    def close(self) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)


class Part:
    """One object being received: in memory until it is large. `close` without `Spool.publish` drops it."""

    def __init__(self, incoming: Path, meta: bytes) -> None:
        self._incoming = incoming
        self._buffer = bytearray(meta)
        self._meta_bytes = len(meta)
        self._crc = zlib.crc32(meta)
        self._file: _PartFile | None = None

    @property
    def head(self) -> bytearray:
        """The first bytes of the data set: all of it, or 64 KB at least."""
        return self._buffer[self._meta_bytes : self._meta_bytes + _HEAD_BYTES]

    def write(self, data: memoryview) -> None:
        """Append a piece of the data set. Raises OSError."""
        if self._file is None and len(self._buffer) + len(data) <= LONGEST_OBJECT:
            self._buffer += data
            self._crc = zlib.crc32(data, self._crc)
            return
        self._on_disk().write(data)

    def path(self) -> Path:
        """Return a file that holds the whole object; for readers that want one. Raises OSError."""
        return self._on_disk().path

    def append_to(self, journal: Writer, ae_title: str) -> bool:
        """Make the object durable in the journal; False when it is too large for that. Raises OSError."""
        if self._file is not None:
            return False
        journal.append(self._buffer, self._crc, ae_title)
        return True

    def publish(self, final: Path) -> None:
        """Make the object durable in a file under its final name. Raises OSError."""
        self._on_disk().publish(final)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _on_disk(self) -> _PartFile:
        if self._file is None:
            self._file = _PartFile(self._incoming / f"{uuid.uuid4().hex}.part")
            self._file.write(self._buffer)
            del self._buffer[self._meta_bytes + _HEAD_BYTES :]
        return self._file


class Spool:
    """The folders of one storage root that the receive path writes. Used by every worker process at the same time."""

    def __init__(self, root: Path, min_free_bytes: int = 0, patience_seconds: float = PREDECESSOR_SECONDS) -> None:
        self.root = root.resolve()
        self.folder = self.root / "spool"
        self._incoming = self.root / "incoming"
        self._min_free_bytes = min_free_bytes
        self._patience_seconds = patience_seconds
        self._held = -1

    def prepare(self) -> None:
        """Make the folders and remove what an interrupted receive left behind: a part file is never acknowledged.

        Call once, before the server starts and forks: it is the only one of this root from here to `close`. Waits for
        one that is ending. Raises StorageFull, and InvalidSetting when another server runs.
        """
        try:
            for folder in (self._incoming, self.folder, self.quarantine, self.instances):
                folder.mkdir(parents=True, exist_ok=True)
            self._hold()
            for n in range(256):
                (self.instances / f"{n:02x}").mkdir(exist_ok=True)
            for left in self._incoming.glob("*.part"):
                left.unlink()
            sweep(self.folder)
            sync_folder(self.instances)
            sync_folder(self.root)
        except OSError as error:
            raise StorageFull(f"storage root cannot be written: {error.strerror}") from error

    @property
    def instances(self) -> Path:
        """Where registered objects lie, named by the hash of their content."""
        return self.root / "instances"

    @property
    def quarantine(self) -> Path:
        """Where acknowledged objects go that no catalogue takes, for people to look at."""
        return self.root / "quarantine"

    def begin(self, incoming: Incoming) -> Part:
        """Begin one object. Raises StorageFull when the free room is below the limit."""
        if not self._has_room():
            raise StorageFull("free space of the storage root is below storage.min_free_mb")
        return Part(self._incoming, file_meta(incoming))

    def publish(self, part: Part, calling_ae_title: str) -> None:
        """Make a complete object durable; it may be acknowledged when this returns. Raises OSError."""
        if not part.append_to(self._journal, calling_ae_title):
            part.publish(self._name(calling_ae_title, _OBJECT))

    def close(self) -> None:
        """Publish nothing more in this process; the last process that does so lets another server begin."""
        self._journal.close()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def _hold(self) -> None:
        """Lock the root for this process and those that it forks; the kernel lets go when the last of them ends."""
        self._held = os.open(self.root / "spool.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        due = time.monotonic() + self._patience_seconds
        while True:
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > due:
                    raise InvalidSetting("storage.root: another DICOM server receives into it") from None
            time.sleep(_LOOK_SECONDS)

    @cached_property
    def _journal(self) -> Writer:
        """The journal of this process: made after the fork, by whoever receives first."""
        return Writer(self.folder)

    def refuse(self, refusal: Refusal) -> None:
        """Note for the catalogue what was not accepted. Not fsynced: the peer keeps the object.

        Nothing is noted when there is little room: a caller must not fill the disk with what is refused to it.
        """
        if not self._has_room():
            return
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        part.write_text(json.dumps({"reason": refusal.reason, "sop_class_uid": refusal.sop_class_uid}))
        part.rename(self._name(refusal.calling_ae_title, _REFUSAL))

    def write(self, final: Path, payload: bytes) -> None:
        """Write a file that nobody sees before it is whole. Not flushed: the journal still holds it."""
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        part.write_bytes(payload)
        part.rename(final)

    def link(self, path: Path, final: Path) -> None:
        """Give a flushed file a second name, in place of what has it: that may be left of a power failure."""
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        os.link(path, part)
        part.rename(final)
        part.unlink(missing_ok=True)  # rename(2) does nothing when both are the same file already

    def files(self) -> list[Acknowledged]:
        """Return the large objects that wait for the catalogue, in the order received."""
        return [Acknowledged(at, ae_title, path.stat().st_size, path) for path, ae_title, at in self._entries(_OBJECT)]

    def waiting(self) -> Iterator[tuple[int, int]]:
        """Yield time (nanoseconds since the epoch) and size in bytes of all that waits, for whoever only counts."""
        yield from unsettled(self.folder)
        for path, _, at in self._entries(_OBJECT):
            with suppress(FileNotFoundError):  # registered meanwhile
                yield at, path.stat().st_size

    def refusals(self, most: int) -> list[tuple[Path, Refusal]]:
        """Return the first notes of `refuse` with their files; one that a power failure has cut is removed."""
        notes = []
        for path, ae_title, _ in itertools.islice(self._entries(_REFUSAL), most):
            try:
                stated = json.loads(path.read_text())
                notes.append((path, Refusal(stated["reason"], ae_title, stated["sop_class_uid"])))
            except (ValueError, KeyError):
                path.unlink(missing_ok=True)
        return notes

    def _has_room(self) -> bool:
        return shutil.disk_usage(self.root).free >= self._min_free_bytes

    def _name(self, ae_title: str, suffix: str) -> Path:
        return self.folder / f"{time.time_ns():020d}-{quote(ae_title, safe='')}-{uuid.uuid4().hex[:12]}{suffix}"

    def _entries(self, suffix: str) -> Iterator[tuple[Path, str, int]]:
        with os.scandir(self.folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(suffix))
        for name in names:
            at, _, rest = name.partition("-")
            if at.isdecimal():  # anything else was put there by somebody, not by `publish`
                yield self.folder / name, unquote(rest.rpartition("-")[0]), int(at)


def file_meta(incoming: Incoming) -> bytes:
    """Build preamble and file meta information for a data set received over the network (PS3.10 7.1).

    It depends on the object alone, not on sender or time, so that equal content makes equal files.
    """
    body = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1"
    body += _ui(0x0002, incoming.sop_class_uid)
    body += _ui(0x0003, incoming.sop_instance_uid)
    body += _ui(0x0010, incoming.transfer_syntax_uid)
    body += _ui(0x0012, IMPLEMENTATION_CLASS_UID)
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def split_meta(start: bytes) -> tuple[Incoming, bytes]:
    """Return what `file_meta` wrote, and the bytes of the data set that follow, of the first bytes of an object.

    Raises NotIndexable when they are not what `file_meta` writes.
    """
    values: dict[int, str] = {}
    at = _PREFIX_BYTES + _GROUP_LENGTH_BYTES + _VERSION_BYTES
    try:
        while start[at : at + 2] == b"\2\0":
            element, length = struct.unpack_from("<2xH2xH", start, at)
            values[element] = start[at + 8 : at + 8 + length].decode("ascii").rstrip("\0")
            at += 8 + length
        return Incoming(values[0x0002], values[0x0003], values[0x0010], ""), start[at:]
    except (KeyError, ValueError, struct.error) as error:
        raise NotIndexable("the file meta information is damaged") from error


def _ui(element: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value


def write_back(descriptor: int, offset: int, count: int) -> None:
    """Let the disk begin with what was written, so that the flush at the end has little left to wait for."""
    _LIBC.sync_file_range(descriptor, ctypes.c_int64(offset), ctypes.c_int64(count), _SYNC_FILE_RANGE_WRITE)
