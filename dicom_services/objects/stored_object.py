"""One DICOM file as sending it needs it: where it lies, what it is, where its data set begins.

Used by scu/ and by the retrieve services; made by the catalogue's port for what the node holds, by `describe` for any
other file.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

_TAGS = ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
_PREAMBLE_BYTES = 132
_HEAD_BYTES = 4096
_LONG = frozenset({b"OB", b"OW", b"UN", b"SQ", b"UT", b"UC", b"UR"})
"""VRs with a 32-bit length (PS3.5 7.1.2)."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One instance on disk."""

    path: Path
    """Absolute path of the DICOM file."""
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    study_instance_uid: str
    series_instance_uid: str


def describe(path: Path) -> StoredObject | None:
    """Read from a DICOM file what sending it needs. None when it is not one."""
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        return StoredObject(
            path=path.resolve(),
            sop_class_uid=str(dataset.SOPClassUID),
            sop_instance_uid=str(dataset.SOPInstanceUID),
            transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
            study_instance_uid=str(dataset.get("StudyInstanceUID", "")),
            series_instance_uid=str(dataset.get("SeriesInstanceUID", "")),
        )
    except (InvalidDicomError, AttributeError, OSError, EOFError, ValueError, KeyError):
        return None


def dataset_offset(path: Path) -> int:
    """Return where the data set of a file begins, behind its file meta information (PS3.10 7.1).

    Raises OSError when the file cannot be read or has no file meta information.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[_PREAMBLE_BYTES - 4 : _PREAMBLE_BYTES] != b"DICM":
            raise OSError("the file has no file meta information")
        if head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 8] == b"\2\0\0\0UL\4\0":
            return _PREAMBLE_BYTES + 12 + int.from_bytes(head[_PREAMBLE_BYTES + 8 : _PREAMBLE_BYTES + 12], "little")
        return _after_group_two(head)


def _after_group_two(head: bytes) -> int:
    """Walk the elements of group 0002 of a writer that left out the group length, which PS3.10 wants."""
    at = _PREAMBLE_BYTES
    while head[at : at + 2] == b"\2\0":
        long = head[at + 4 : at + 6] in _LONG
        layout = "<L" if long else "<H"
        start = at + (8 if long else 6)
        (length,) = struct.unpack_from(layout, head.ljust(start + 4, b"\0"), start)
        at = start + struct.calcsize(layout) + length
    if at >= len(head):
        raise OSError("the file meta information does not end")
    return at
