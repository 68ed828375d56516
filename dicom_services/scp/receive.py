"""The C-STORE path: raw dataset bytes -> durable file -> row and job -> status.

Knows no DIMSE library: scp/server.py calls `receive` with the bytes of one C-STORE, and whatever receives faster later
calls the same function. A success status is returned only when the file is fsynced under its final name and the
catalogue has committed its row.
"""

import datetime as dt
import hashlib
import os
import shutil
import struct
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from dicom_services.identity import IMPLEMENTATION_CLASS_UID
from dicom_services.objects.attributes import text, valid_uid
from dicom_services.objects.header import HEADER_KEYWORDS, header_of
from dicom_services.objects.part10 import open_dataset
from dicom_services.scp.ports import ArchivePort, Registered, StoredInstance
from radir_node.domain.study import InstanceHeader
from radir_node.errors import NotIndexable, StorageFull, TransientError


class StoreStatus(IntEnum):
    """Statuses of a C-STORE response (PS3.4 B.2.3)."""

    SUCCESS = 0x0000
    OUT_OF_RESOURCES = 0xA700
    DATASET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


@dataclass(frozen=True, slots=True)
class Incoming:
    """What the association and the C-STORE command say about the dataset that follows."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str


@dataclass(frozen=True, slots=True)
class Written:
    """One durable file."""

    path: str
    """POSIX path below the storage root."""
    size: int
    sha256: str
    created: bool
    """False when a file with the same content was there already."""


class Refused(Exception):
    """The object is not taken; reason is free of identifiers."""

    def __init__(self, status: StoreStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class PartFile:
    """One file being received: hashed while written, invisible under its final name until `publish`.

    Leaving the context without `publish` removes it.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        self._root = root
        self.path = folder / f"{uuid.uuid4().hex}.part"
        self._hash = hashlib.sha256()
        self._size = 0
        self._file = self.path.open("xb", buffering=0)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        self._hash.update(data)
        self._size += len(data)

    def publish(self) -> Written:
        """Make the file durable under the name of its content: fsync, rename, fsync of the folder."""
        os.fsync(self._file.fileno())
        digest = self._hash.hexdigest()
        relative = Path("instances", digest[:2], f"{digest}.dcm")
        final = self._root / relative
        created = not final.exists()
        self.path.rename(final)
        sync_folder(final.parent)
        return Written(relative.as_posix(), self._size, digest, created)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class InstanceWriter:
    """The folders of instances under one storage root, and the room that must stay free there.

    Content decides the name, so two writers of one SOP Instance UID never share a file unless their bytes are equal.
    """

    def __init__(self, root: Path, min_free_bytes: int) -> None:
        self.root = root.resolve()
        self._incoming = self.root / "incoming"
        self._min_free_bytes = min_free_bytes

    def prepare(self) -> None:
        """Make the folders durable and remove what an interrupted receive left behind.

        Call once, before the only server of this root starts: a .part file is never acknowledged. Raises StorageFull.
        """
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            instances = self.root / "instances"
            for n in range(256):
                (instances / f"{n:02x}").mkdir(parents=True, exist_ok=True)
            for left in self._incoming.glob("*.part"):
                left.unlink()
            sync_folder(instances)
            sync_folder(self.root)
        except OSError as error:
            raise StorageFull(f"storage root cannot be written: {error.strerror}") from error

    def begin(self) -> PartFile:
        """Open a file for one instance. Raises StorageFull when the free room is below the limit."""
        if shutil.disk_usage(self.root).free < self._min_free_bytes:
            raise StorageFull("free space of the storage root is below storage.min_free_mb")
        return PartFile(self.root, self._incoming)

    def remove(self, written: Written) -> None:
        (self.root / written.path).unlink(missing_ok=True)


def receive(
    incoming: Incoming,
    chunks: Iterable[bytes | bytearray | memoryview],
    writer: InstanceWriter,
    archive: ArchivePort,
) -> StoreStatus:
    """Store one dataset and make it known.

    chunks: the dataset exactly as received, in order. When the catalogue is down the file stays: the peer sends
    again, and the same content finds the same name.
    """
    try:
        header, written = _to_disk(incoming, chunks, writer)
        outcome = archive.register(_stored(header, written, incoming.calling_ae_title))
    except Refused as refused:
        _list(archive, refused.reason, incoming)
        return refused.status
    except (TransientError, OSError):
        return StoreStatus.OUT_OF_RESOURCES
    if outcome is Registered.KEPT and written.created:
        writer.remove(written)
    return StoreStatus.SUCCESS


def _to_disk(
    incoming: Incoming, chunks: Iterable[bytes | bytearray | memoryview], writer: InstanceWriter
) -> tuple[InstanceHeader, Written]:
    if not valid_uid(incoming.sop_class_uid) or not valid_uid(incoming.sop_instance_uid):
        raise Refused(StoreStatus.CANNOT_UNDERSTAND, "the C-STORE command holds no valid UIDs")
    with writer.begin() as part:
        part.write(file_meta(incoming))
        for chunk in chunks:
            part.write(chunk)
        header = _announced_header(incoming, part.path)
        return header, part.publish()


def _announced_header(incoming: Incoming, path: Path) -> InstanceHeader:
    """Raises Refused unless the dataset is the one that the command announced and has a place in a study."""
    try:
        dataset = open_dataset(path, pixels=False, keywords=HEADER_KEYWORDS)
    except NotIndexable as error:
        raise Refused(StoreStatus.CANNOT_UNDERSTAND, str(error)) from error
    try:
        header = header_of(dataset)
    except NotIndexable as error:
        raise Refused(StoreStatus.DATASET_MISMATCH, str(error)) from error
    for keyword, announced in (
        ("SOPClassUID", incoming.sop_class_uid),
        ("SOPInstanceUID", incoming.sop_instance_uid),
    ):
        if text(dataset, keyword) != announced:
            raise Refused(StoreStatus.DATASET_MISMATCH, f"{keyword} of command and dataset differ")
    return header


def _stored(header: InstanceHeader, written: Written, calling_ae_title: str) -> StoredInstance:
    now = dt.datetime.now(dt.UTC)
    return StoredInstance(header, written.path, written.size, written.sha256, calling_ae_title, now)


def _list(archive: ArchivePort, reason: str, incoming: Incoming) -> None:
    sop_class = incoming.sop_class_uid if valid_uid(incoming.sop_class_uid) else ""
    try:
        archive.refuse(reason, incoming.calling_ae_title, sop_class)
    except TransientError:
        return  # The peer is told all the same; a list entry is not worth an error of its own.


def file_meta(incoming: Incoming) -> bytes:
    """Build preamble and file meta information for a dataset received over the network (PS3.10 7.1).

    It depends on the object alone, not on sender or time, so that equal content makes equal files.
    """
    body = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1"
    body += _ui(0x0002, incoming.sop_class_uid)
    body += _ui(0x0003, incoming.sop_instance_uid)
    body += _ui(0x0010, incoming.transfer_syntax_uid)
    body += _ui(0x0012, IMPLEMENTATION_CLASS_UID)
    return b"\0" * 128 + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


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
