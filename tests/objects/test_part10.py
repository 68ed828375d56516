"""Opening a file never costs more than its limits."""

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ComputedRadiographyImageStorage, DeflatedExplicitVRLittleEndian

from dicom_services.objects import part10
from dicom_services.objects.part10 import open_dataset
from radir_node.errors import NotIndexable

Save = Callable[..., Path]


def deflated(path: Path, megabytes: int) -> Path:
    """Make a deflated file of a plain one, followed by that many megabytes of zeros."""
    meta = read_file_meta_info(path)
    data = path.read_bytes()
    start = 144 + meta.FileMetaInformationGroupLength
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = squeezer.compress(data[start:])
    body += squeezer.compress(b"\xe1\x7f\x10\x10OB\0\0" + (megabytes << 20).to_bytes(4, "little"))
    body += b"".join(squeezer.compress(b"\0" * (1 << 20)) for _ in range(megabytes)) + squeezer.flush()
    old, new = b"1.2.840.10008.1.2.1\0", DeflatedExplicitVRLittleEndian.encode()
    old_element = b"\x02\0\x10\0UI" + len(old).to_bytes(2, "little") + old
    new_element = b"\x02\0\x10\0UI" + len(new).to_bytes(2, "little") + new
    head = data[:start].replace(old_element, new_element)
    length = meta.FileMetaInformationGroupLength + len(new) - len(old)
    path.write_bytes(head[:140] + length.to_bytes(4, "little") + head[144:] + body)
    return path


def minimal() -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.PatientID = "17"
    return dataset


def test_deflated(save: Save) -> None:
    """A deflated data set is read like any other."""
    path = deflated(save(minimal()), megabytes=1)

    assert "17" == open_dataset(path).PatientID


def test_deflation_bomb(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that would inflate beyond the limit is refused before it is inflated."""
    monkeypatch.setattr(part10, "MAX_INFLATED_BYTES", 8 << 20)
    path = deflated(save(minimal()), megabytes=16)

    assert path.stat().st_size < 100_000
    with pytest.raises(NotIndexable, match="deflated"):
        open_dataset(path)


def test_claimed_length(save: Save) -> None:
    """An element that claims nearly 4 GiB costs no more than the file holds."""
    path = save(minimal())
    with path.open("ab") as file:
        file.write(b"\xe1\x7f\x10\x10OB\0\0" + (0xFFFFFFF0).to_bytes(4, "little") + b"\0" * 64)

    assert "17" == open_dataset(path).PatientID


def test_flood_of_elements(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of endless tiny elements is given up after a number of reads."""
    monkeypatch.setattr(part10, "MAX_READS", 1000)
    path = save(minimal())
    with path.open("ab") as file:
        file.write(b"".join(b"\xe1\x7f" + number.to_bytes(2, "little") + b"SH\0\0" for number in range(0x1000, 0x2000)))

    with pytest.raises(NotIndexable, match="too many data elements"):
        open_dataset(path)


def test_nested_sequences(save: Save) -> None:
    """Sequences nested without end are a reason, not a crash."""
    path = save(minimal())
    opening = b"\xe1\x7f\x10\x10SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    with path.open("ab") as file:
        file.write(opening * 20_000)

    with pytest.raises(NotIndexable, match="RecursionError"):
        open_dataset(path)


def test_without_preamble(save: Save) -> None:
    """A bare data set without preamble and file meta information is read by its first elements."""
    path = save(minimal())
    path.write_bytes(path.read_bytes()[144 + read_file_meta_info(path).FileMetaInformationGroupLength :])

    assert "17" == open_dataset(path).PatientID


def test_trouble_of_the_machine(tmp_path: Path) -> None:
    """A file that the system cannot open is no property of the object: the error passes through."""
    with pytest.raises(FileNotFoundError):
        open_dataset(tmp_path / "gone.dcm")
