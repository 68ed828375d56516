"""Where received objects become durable: <root>/spool queues what is acknowledged and not yet in the catalogue.

Written by store.py for every C-STORE, read by registrar.py. A file in the spool has been fsynced under its name, folder
included, before its sender hears 0x0000; whatever dies afterwards, the next registrar finds it. Receiving therefore
needs no database, and goes on while it is away.
"""

import json
import os
import shutil
import struct
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from dicom_services.identity import IMPLEMENTATION_CLASS_UID
from radir_node.domain.stored import Refusal
from radir_node.errors import StorageFull

_HEAD_BYTES = 65536
"""Of each data set, kept in memory to check who it is."""
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
    """One object in the spool."""

    path: Path
    calling_ae_title: str
    received_ns: int
    """Nanoseconds since the epoch."""


class PartFile:
    """One object being received; nobody sees it before `publish`, and `close` without it removes the file."""

    def __init__(self, path: Path, meta: bytes) -> None:
        self.path = path
        self._meta = meta
        self._head = bytearray()
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)

    @property
    def head(self) -> bytearray:
        """The first 64 KB of the data set, or all of a smaller one."""
        return self._head

    def write(self, data: memoryview) -> None:
        """Append a piece of the data set; the file meta information goes before the first."""
        if len(self._head) < _HEAD_BYTES:
            self._head += data[: _HEAD_BYTES - len(self._head)]
        parts: list[bytes | memoryview] = [self._meta, data] if self._meta else [data]
        self._meta = b""
        written = os.writev(self._file, parts)
        rest = memoryview(b"".join(parts))[written:] if written < sum(map(len, parts)) else memoryview(b"")
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def publish(self, final: Path) -> None:
        """Make the file durable under its final name: fsync, rename, fsync of the folder."""
        os.fsync(self._file)
        self.path.rename(final)
        sync_folder(final.parent)

    def close(self) -> None:
        os.close(self._file)
        self.path.unlink(missing_ok=True)


class Spool:
    """The folders of one storage root that the receive path writes. Used by every worker process at the same time."""

    def __init__(self, root: Path, min_free_bytes: int = 0) -> None:
        self.root = root.resolve()
        self.folder = self.root / "spool"
        self._incoming = self.root / "incoming"
        self._min_free_bytes = min_free_bytes

    def prepare(self) -> None:
        """Make the folders and remove what an interrupted receive left behind.

        Call once, before the only server of this root starts: a part file is never acknowledged. Raises StorageFull.
        """
        try:
            for folder in (self._incoming, self.folder, self.quarantine, self.instances):
                folder.mkdir(parents=True, exist_ok=True)
            for n in range(256):
                (self.instances / f"{n:02x}").mkdir(exist_ok=True)
            for left in self._incoming.glob("*.part"):
                left.unlink()
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

    def begin(self, incoming: Incoming) -> PartFile:
        """Open a file for one object. Raises StorageFull when the free room is below the limit, OSError."""
        if shutil.disk_usage(self.root).free < self._min_free_bytes:
            raise StorageFull("free space of the storage root is below storage.min_free_mb")
        return PartFile(self._incoming / f"{uuid.uuid4().hex}.part", file_meta(incoming))

    def publish(self, part: PartFile, calling_ae_title: str) -> None:
        """Make a complete object durable; it is acknowledged when this returns."""
        part.publish(self._name(calling_ae_title, _OBJECT))

    def refuse(self, refusal: Refusal) -> None:
        """Note for the catalogue what was not accepted. Not fsynced: the peer keeps the object."""
        part = self._incoming / f"{uuid.uuid4().hex}.part"
        part.write_text(json.dumps({"reason": refusal.reason, "sop_class_uid": refusal.sop_class_uid}))
        part.rename(self._name(refusal.calling_ae_title, _REFUSAL))

    def is_empty(self) -> bool:
        with os.scandir(self.folder) as entries:
            return next(entries, None) is None

    def objects(self) -> list[Acknowledged]:
        """Return what waits for the catalogue, in the order received."""
        return [Acknowledged(path, ae_title, at) for path, ae_title, at in self._entries(_OBJECT)]

    def refusals(self) -> list[tuple[Path, Refusal]]:
        """Return the notes of `refuse` with their files, in order."""
        notes = []
        for path, ae_title, _ in self._entries(_REFUSAL):
            stated = json.loads(path.read_text())
            notes.append((path, Refusal(stated["reason"], ae_title, stated["sop_class_uid"])))
        return notes

    def _name(self, ae_title: str, suffix: str) -> Path:
        return self.folder / f"{time.time_ns():020d}-{quote(ae_title, safe='')}-{uuid.uuid4().hex[:12]}{suffix}"

    def _entries(self, suffix: str) -> Iterator[tuple[Path, str, int]]:
        with os.scandir(self.folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(suffix))
        for name in names:
            at, _, rest = name.partition("-")
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


def split_meta(path: Path) -> tuple[Incoming, bytes]:
    """Return what `file_meta` wrote of an object, and the first 64 KB of its data set."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    values: dict[int, str] = {}
    at = _PREFIX_BYTES + _GROUP_LENGTH_BYTES + _VERSION_BYTES
    while start[at : at + 2] == b"\2\0":
        element, length = struct.unpack_from("<2xH2xH", start, at)
        values[element] = start[at + 8 : at + 8 + length].decode("ascii").rstrip("\0")
        at += 8 + length
    return Incoming(values[0x0002], values[0x0003], values[0x0010], ""), start[at:]


def _ui(element: int, uid: str) -> bytes:
    value = uid.encode("ascii")
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, b"UI", len(value)) + value


def sync_folder(folder: Path) -> None:
    """Make a rename or a new entry in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
