"""Opens a stored DICOM file within limits. Every reader of this package comes through here, none calls dcmread itself.

pydicom trusts lengths: a 32-bit length makes it allocate what it claims, a deflated file is inflated whole, and each
data element costs memory. The limits below hold before any of that happens.
"""

import io
import os
import zlib
from collections.abc import Sequence
from pathlib import Path

from pydicom.dataset import FileDataset
from pydicom.filereader import dcmread, read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_services.objects.reasons import refusing
from radir_node.errors import NotIndexable

MAX_FILE_BYTES = 4 << 30
MAX_INFLATED_BYTES = 1 << 30
MAX_READS = 5_000_000
"""Reads of one file, two or three for each data element: ends a flood of tiny elements after some seconds."""

_PREAMBLE_BYTES = 132
_GROUP_LENGTH_ELEMENT_BYTES = 12
_META_WINDOW_BYTES = 4096


class _BoundedFile(io.BufferedReader):
    """A file that never allocates more than it holds, and gives up after MAX_READS reads."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(str(path)))  # pydicom takes the name for a str
        self._bytes = os.fstat(self.fileno()).st_size
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self._reads += 1
        if self._reads > MAX_READS:
            raise NotIndexable("too many data elements")
        if size is not None and size > io.DEFAULT_BUFFER_SIZE:
            size = min(size, max(self._bytes - self.tell(), 0))
        return super().read(size)


def open_dataset(path: Path, *, pixels: bool = True, keywords: Sequence[str] | None = None) -> FileDataset:
    """Read a data set; without pixels it stops at the pixel data, with keywords it keeps only those attributes.

    A file without preamble or file meta information is read too, by its first elements (PS3.10 7.1 asks for them, old
    archives lack them). Raise NotIndexable when the file is no DICOM, is damaged, or passes a limit.
    """
    _check_size(path)
    with refusing("the file cannot be parsed as DICOM"), _BoundedFile(path) as file:
        _check_inflated_size(path)
        wanted = None if keywords is None else list(keywords)
        dataset = dcmread(file, stop_before_pixels=not pixels, specific_tags=wanted, force=True)
    if not dataset and not dataset.file_meta:
        raise NotIndexable("the file holds no DICOM data elements")
    return dataset


def _check_size(path: Path) -> None:
    size = path.stat().st_size
    if size == 0:
        raise NotIndexable("the file is empty")
    if size > MAX_FILE_BYTES:
        raise NotIndexable(f"the file is larger than {MAX_FILE_BYTES >> 30} GiB")


def _check_inflated_size(path: Path) -> None:
    """Refuse a deflated data set (PS3.5 A.5) that would inflate beyond the limit."""
    with path.open("rb") as file:
        start = file.read(_META_WINDOW_BYTES)
        if DeflatedExplicitVRLittleEndian.encode() not in start:
            return
        meta = read_file_meta_info(path)
        if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
            return
        file.seek(_PREAMBLE_BYTES + _GROUP_LENGTH_ELEMENT_BYTES + int(meta.FileMetaInformationGroupLength))
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        total, pending = 0, file.read(1 << 20)
        while pending and not inflater.eof:
            total += len(inflater.decompress(pending, 1 << 20))
            if total > MAX_INFLATED_BYTES:
                raise NotIndexable(f"the deflated data set is larger than {MAX_INFLATED_BYTES >> 30} GiB")
            pending = inflater.unconsumed_tail or file.read(1 << 20)
