"""The journal of small objects: appended to a file that exists already, so that durable costs one flush of the disk.

A new file per object costs two commits of the file system, and four times as long; that is all of the difference to a
receiver that does not care. Every worker process appends to a segment of its own; the registrar reads all of them, and
gives a segment back for reuse when its objects lie, synced, where they belong.

A segment is filled with zeros once: writing into it changes no metadata of the file system. Its records are of its
epoch, numbered, and carry a checksum, so that neither a record of an earlier use nor one cut by a power failure is
taken for one. The first segment of a process is small; who receives much gets larger ones.
"""

import errno
import fcntl
import os
import secrets
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()

_SMALLEST, _LARGEST = 8 << 20, 64 << 20
LONGEST_OBJECT = 1 << 20
"""Larger objects get a file of their own: copying them once more would cost more than it saves."""

_ALIGNED = 64
_HEAD = struct.Struct("<8sQQ")
"""Magic, epoch, and how far the registrar is for good."""
_DONE = struct.Struct("<Q")
_DONE_AT = 16
_RECORD = struct.Struct("<4sLQQQL16s")
"""Magic, number, epoch, length, nanoseconds since the epoch, CRC-32, AE title. Shorter than a sector: never cut."""
_Header = tuple[bytes, int, int, int, int, int, bytes]
_SEGMENT_MAGIC, _OBJECT_MAGIC, _END_MAGIC = b"RADIRJ01", b"OBJ\n", b"END\n"
_SUFFIX, _FREE, _CLAIMED, _BROKEN = ".journal", ".free", ".claimed", ".broken"
_MOST_SPARE = 8
_BLOCK = bytes(1 << 20)


class _Descriptor:
    """An open file; closed at the latest when the last thread that flushes it lets go."""

    def __init__(self, path: Path) -> None:
        self._number = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self.appended = 0
        """Records that were written to it by its one writer."""
        self.failed = False
        """A flush failed: what was written before it may be lost, whatever a later flush says."""
        self._flushed = 0
        self._flushing = threading.Lock()

    def flush(self, records: int) -> None:
        """Make so many records durable. Raises OSError.

        One thread at a time, for all that wait: the kernel reports a failed write once, to whoever flushes first.
        """
        with self._flushing:
            if self._flushed >= records:
                return
            if self.failed:
                raise OSError(errno.EIO, "an earlier flush failed")
            appended = self.appended
            try:
                os.fdatasync(self._number)
            except OSError:
                self.failed = True
                raise
            self._flushed = appended

    def fileno(self) -> int:
        return self._number

    def close(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._number = -1

    __del__ = close


class Writer:
    """Appends to the segments of one process. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._file: _Descriptor | None = None
        self._made = _SMALLEST
        self._epoch = self._number = self._at = self._end = 0

    def append(self, payload: bytes | bytearray, crc: int, ae_title: str) -> None:
        """Make one object durable. Raises OSError when there is no room for another segment."""
        with self._lock:
            file = self._segment(len(payload))
            fields = (self._epoch, len(payload), time.time_ns(), crc, ae_title.encode("latin-1", "replace"))
            _write_at(file, payload, self._at + _ALIGNED)
            # Last, so that whoever reads a record finds the whole of it behind its header.
            _write_at(file, _RECORD.pack(_OBJECT_MAGIC, self._number, *fields), self._at)
            self._number += 1
            self._at = _next(self._at, len(payload))
            file.appended = number = self._number
        file.flush(number)  # outside the lock: others append meanwhile, and are flushed together

    def close(self) -> None:
        """Append no more; the registrar sees that this process holds the segment no longer."""
        with self._lock:
            self._file = None

    def _segment(self, length: int) -> _Descriptor:
        """Return a segment with room for one more object and an end."""
        file = self._file
        if file is not None and not file.failed and _next(self._at, length) + _ALIGNED <= self._end:
            return file
        self._file = None  # whatever fails from here on: a segment that has its end may be another process's soon
        if file is not None:
            _write_at(file, _RECORD.pack(_END_MAGIC, self._number, self._epoch, 0, 0, 0, b""), self._at)
        claimed = self._folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_CLAIMED}"
        try:
            self._file = self._claim(claimed)
        except OSError:
            claimed.unlink(missing_ok=True)
            raise
        self._end = os.fstat(self._file.fileno()).st_size
        return self._file

    def _claim(self, claimed: Path) -> _Descriptor:
        """Take a free segment under a name of its own, else make one."""
        for free in sorted(self._folder.glob(f"*{_FREE}")):
            with suppress(FileNotFoundError):  # another process was quicker
                free.rename(claimed)
                break
        else:
            _make(claimed, self._made)
            self._made = min(2 * self._made, _LARGEST)
        file = _Descriptor(claimed)
        fcntl.flock(file, fcntl.LOCK_EX)  # until this process closes it or dies: then nobody appends any more
        self._epoch, self._number, self._at = secrets.randbits(63), 0, _ALIGNED
        _write_at(file, _HEAD.pack(_SEGMENT_MAGIC, self._epoch, _ALIGNED), 0)
        os.fdatasync(file.fileno())
        claimed.rename(claimed.with_suffix(_SUFFIX))
        sync_folder(self._folder)
        return file


@dataclass(frozen=True, slots=True)
class Record:
    """One object in a segment."""

    segment: "Segment"
    offset: int
    """Of the payload."""
    length: int
    received_ns: int
    ae_title: str

    def payload(self) -> bytes:
        return os.pread(self.segment.file.fileno(), self.length, self.offset)


class Segment:
    """One segment as the registrar reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _Descriptor(path)
        self._end = os.fstat(self.file.fileno()).st_size
        magic, self._epoch, done = _HEAD.unpack(os.pread(self.file.fileno(), _HEAD.size, 0).ljust(_HEAD.size, b"\0"))
        self._broken = magic != _SEGMENT_MAGIC
        self._at, self._number = _ALIGNED, 0
        self._sealed = False
        self._skip_to(done)

    def records(self) -> Iterator[Record]:
        """Yield what was appended since the last call."""
        while (record := self._next()) is not None:
            yield record

    def is_over(self) -> bool:
        """Say whether everything was read and nobody appends any more: it was sealed, or its writer is dead."""
        if self._sealed or self._broken:
            return True
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        header = self._header()
        if header is not None:  # appended between the last read and the writer's death, or damaged
            if not self._is_whole(header):
                self._skip(header)
            fcntl.flock(self.file, fcntl.LOCK_UN)
            return False
        return True

    def unsettled(self) -> Iterator[tuple[int, int]]:
        """Yield time (nanoseconds since the epoch) and length of each record after the last `keep`."""
        while (header := self._header()) is not None and header[0] == _OBJECT_MAGIC:
            if self._is_whole(header):
                yield header[4], header[3]
            self._at, self._number = _next(self._at, header[3]), header[1] + 1

    def keep(self) -> None:
        """Note that what was read so far need not be read again. Call when its objects are synced."""
        _write_at(self.file, _DONE.pack(self._at), _DONE_AT)

    def give_back(self, spare: int) -> None:
        """Let a writer use the segment again, or remove it when there are spare ones enough."""
        self.file.close()
        if self._broken:  # it may hold what was acknowledged: people must look at it
            log.error("journal_segment_broken", file=self.path.name)
            self.path.rename(self.path.with_suffix(_BROKEN))
        elif spare < _MOST_SPARE:
            self.path.rename(self.path.with_suffix(_FREE))
        else:
            self.path.unlink()

    def _next(self) -> Record | None:
        header = self._header()
        if header is None:
            return None
        magic, number, _, length, received_ns, _, ae_title = header
        if magic == _END_MAGIC:
            self._sealed = True
            return None
        if not self._is_whole(header):
            return None  # skipped when nobody appends any more
        offset = self._at + _ALIGNED
        self._at, self._number = _next(self._at, length), number + 1
        return Record(self, offset, length, received_ns, ae_title.rstrip(b"\0").decode("latin-1"))

    def _is_whole(self, header: _Header) -> bool:
        return zlib.crc32(os.pread(self.file.fileno(), header[3], self._at + _ALIGNED)) == header[5]

    def _skip(self, header: _Header) -> None:
        """Pass over a record that a power failure cut, which was never acknowledged, or that the disk has damaged."""
        log.error("journal_record_damaged", file=self.path.name, number=header[1])
        self._at, self._number = _next(self._at, header[3]), header[1] + 1

    def _header(self) -> _Header | None:
        data = os.pread(self.file.fileno(), _RECORD.size, self._at)
        if self._broken or self._sealed or len(data) < _RECORD.size:
            return None
        header = _RECORD.unpack(data)
        magic, number, epoch, length, *_ = header
        fits = self._at + _ALIGNED + length <= self._end
        known = magic in (_OBJECT_MAGIC, _END_MAGIC) and (number, epoch) == (self._number, self._epoch)
        return header if known and fits else None

    def _skip_to(self, done: int) -> None:
        while self._at < done and (header := self._header()) is not None:
            self._at, self._number = _next(self._at, header[3]), header[1] + 1


class Reader:
    """All segments of a spool, as the one registrar reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments: dict[Path, Segment] = {}

    def read(self) -> list[Record]:
        """Return the objects that were appended since the last call."""
        found: list[Record] = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path not in self._segments:
                self._segments[path] = Segment(path)
            found += self._segments[path].records()
        return found

    def provide(self, spare: int) -> bool:
        """Make one segment of the largest size if there are fewer free ones; False when there are enough.

        Raises OSError. Zeroing a segment takes as long as receiving as much, so it is done before it is needed.
        """
        if sum(1 for _ in self._folder.glob(f"*{_FREE}")) >= spare:
            return False
        made = self._folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}{_CLAIMED}"
        _make(made, _LARGEST)
        made.rename(made.with_suffix(_FREE))
        return True

    def close(self) -> None:
        for segment in self._segments.values():
            segment.file.close()
        self._segments.clear()

    def settle(self) -> None:
        """Forget what was read: its objects lie, synced, where they belong. Segments that are over are given back."""
        for path, segment in list(self._segments.items()):
            if segment.is_over():
                del self._segments[path]
                segment.give_back(sum(1 for _ in self._folder.glob(f"*{_FREE}")))
            else:
                segment.keep()


def unsettled(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield time and length of what lies in the journal alone, beside the registrar and without disturbing it.

    What is registered already still counts until the registrar has noted it: a second after the last object.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            segment = Segment(path)
        except FileNotFoundError:  # given back meanwhile
            continue
        yield from segment.unsettled()
        segment.file.close()


def sweep(folder: Path) -> None:
    """Remove segments that a dead process was about to use. Call before the first writer starts."""
    for left in folder.glob(f"*{_CLAIMED}"):
        left.unlink()


def sync_folder(folder: Path) -> None:
    """Make a rename or a new entry in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(path: Path, size: int) -> None:
    try:
        with path.open("xb", buffering=0) as file:
            for _ in range(size // len(_BLOCK)):
                file.write(_BLOCK)
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)  # what there was of it fills the disk
        raise


def _next(at: int, length: int) -> int:
    end = at + _ALIGNED + length
    return end + -end % _ALIGNED


def _write_at(file: _Descriptor, data: bytes | bytearray, at: int) -> None:
    written = os.pwrite(file.fileno(), data, at)
    while written < len(data):
        written += os.pwrite(file.fileno(), memoryview(data)[written:], at + written)
