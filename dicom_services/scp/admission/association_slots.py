"""How many associations there are at a time, counted over all processes of a storage root. Called by doorkeeper.py.

One file holds a byte lock and a name per slot. The kernel releases the locks of a process however it ends, so that
kill -9 gives its slots back at once; a name without a lock is what such a process left, and counts for nothing.
"""

import fcntl
import hashlib
import mmap
import os
import struct
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

_NAME_BYTES = 16
_FREE = bytes(_NAME_BYTES)
_FLOCK = struct.Struct("hhqqi4x")
"""struct flock (fcntl(2)): l_type, l_whence, l_start, l_len, l_pid."""
_TYPE = struct.Struct("h")


class Slot:
    """One association that is counted. A context manager: leaving it gives the slot back."""

    def __init__(self, table: "_Table", number: int) -> None:
        self._table = table
        self._number = number

    def release(self) -> None:
        """Give the slot back. A second call does nothing."""
        number, self._number = self._number, -1
        if number >= 0:
            self._table.release(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


class AssociationSlots:
    """A fixed number of slots in a folder. May be made before a fork; every process then counts for itself."""

    def __init__(self, folder: Path, total: int) -> None:
        """Raises OSError when the folder cannot be written."""
        self._total = total
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "slots"
        self._lock = threading.Lock()
        self._table = _Table(self._path, total)
        self._pid = os.getpid()

    def take(self, name: str, most: int, *, leave: int = 0) -> Slot | None:
        """Take a slot for a caller; None when it has `most` already, or no more than `leave` slots are left for others.

        Some 25 us, and 1 us more for each slot that the caller holds in other processes.
        """
        return self._own_table().take(hashlib.blake2b(name.encode(), digest_size=_NAME_BYTES).digest(), most, leave)

    def _own_table(self) -> "_Table":
        """Return the table as opened by this process: a lock belongs to an open file, and a fork would share it."""
        with self._lock:
            if self._pid != os.getpid():
                self._table = _Table(self._path, self._total)
                self._pid = os.getpid()
            return self._table


class _Table:
    """The slots as one process sees them: byte 0 is locked by who looks for a slot, byte n + 1 by who has slot n."""

    def __init__(self, path: Path, total: int) -> None:
        self._total = total
        self._lock = threading.Lock()
        self._held: set[int] = set()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        weakref.finalize(self, os.close, self._file)
        if os.fstat(self._file).st_size < total * _NAME_BYTES:
            os.ftruncate(self._file, total * _NAME_BYTES)
        self._names = mmap.mmap(self._file, total * _NAME_BYTES)

    def take(self, name: bytes, most: int, leave: int) -> Slot | None:
        with self._lock, self._turn():
            if sum(self._is_taken(n) for n in self._named(name)) >= most:
                return None
            number = self._free(leave)
            if number is None:
                return None
            self._held.add(number)
            self._write(number, name)
            return Slot(self, number)

    def release(self, number: int) -> None:
        with self._lock:
            self._write(number, _FREE)
            self._held.discard(number)
            self._set(fcntl.F_UNLCK, number + 1)

    def _free(self, leave: int) -> int | None:
        """Lock and return a free slot: one that has no name, else one whose process died.

        From the last slot down, so that who must leave some to others finds the first ones, which are taken last.
        """
        numbers = range(self._total - leave - 1, -1, -1)
        nameless = (n for n in numbers if self._name(n) == _FREE)
        forsaken = (n for n in numbers if n not in self._held)
        for candidates in (nameless, forsaken):
            for number in candidates:
                if self._set(fcntl.F_WRLCK, number + 1):
                    return number
        return None

    def _named(self, name: bytes) -> Iterator[int]:
        return (n for n in range(self._total) if self._name(n) == name)

    def _name(self, number: int) -> bytes:
        return self._names[number * _NAME_BYTES : (number + 1) * _NAME_BYTES]

    def _write(self, number: int, name: bytes) -> None:
        self._names[number * _NAME_BYTES : (number + 1) * _NAME_BYTES] = name

    def _is_taken(self, number: int) -> bool:
        if number in self._held:
            return True
        answer = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, _request(fcntl.F_WRLCK, number + 1))
        return bool(_TYPE.unpack_from(answer)[0] != fcntl.F_UNLCK)

    def _set(self, kind: int, byte: int) -> bool:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _request(kind, byte))
        except BlockingIOError:
            return False
        return True

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other process looks for a slot."""
        fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, _request(fcntl.F_WRLCK, 0))
        try:
            yield
        finally:
            self._set(fcntl.F_UNLCK, 0)


def _request(kind: int, byte: int) -> bytes:
    return _FLOCK.pack(kind, os.SEEK_SET, byte, 1, 0)
