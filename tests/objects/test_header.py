"""Headers are read tolerantly, and refused with one line where the instance has no identity."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ComputedRadiographyImageStorage

from dicom_services.objects.header import age_years, read_header
from radir_node.errors import NotIndexable

Save = Callable[..., Path]


def minimal(**attributes: object) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.mark.parametrize(
    ("character_set", "encoding", "name"),
    [
        ("ISO_IR 100", "latin-1", "Müller^Jörg"),
        ("ISO_IR 144", "iso8859_5", "Люкceмбypг"),
        ("ISO_IR 126", "iso8859_7", "Διονυσιος"),
        ("ISO_IR 192", "utf-8", "Wang^XiaoDong=王^小东"),
        ("GB18030", "gb18030", "Wang^XiaoDong=王^小东"),
        ("ISO IR 192", "utf-8", "Wang^XiaoDong=王^小东"),
        ("ISO-IR 100", "latin-1", "Müller^Jörg"),
        ("", "utf-8", "Müller^Jörg"),
        ("", "latin-1", "Müller^Jörg"),
    ],
)
def test_character_sets(save: Save, character_set: str, encoding: str, name: str) -> None:
    """Text is decoded by the file's own Specific Character Set."""
    dataset = minimal()
    dataset.add_new("SpecificCharacterSet", "CS", character_set)
    dataset.add_new("PatientName", "PN", name.encode(encoding))

    header = read_header(save(dataset))

    assert name == header.patient_name


@pytest.mark.parametrize(
    ("second", "data", "name"),
    [
        ("ISO 2022 IR 87", b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B", "Yamada^Tarou=山田^太郎"),
        ("ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab", "Zhang^XiaoDong=张^小东"),
        ("ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3", "Hong=洪"),
    ],
)
def test_code_extensions(save: Save, second: str, data: bytes, name: str) -> None:
    """Escape sequences of ISO 2022 switch between character sets within one name, and are no part of it."""
    dataset = minimal(SpecificCharacterSet=["", second])
    dataset.add_new("PatientName", "PN", data)

    assert name == read_header(save(dataset)).patient_name


def test_unknown_character_set(save: Save) -> None:
    """An unknown character set leaves readable ASCII and raises nothing."""
    dataset = minimal()
    dataset.add_new("SpecificCharacterSet", "CS", "ISO_IR 999")
    dataset.add_new("PatientID", "LO", b"A-17 \xff")

    header = read_header(save(dataset))

    assert header.patient_id.startswith("A-17")


def test_padding_is_stripped(save: Save) -> None:
    """Spaces and NULs that pad a value are no part of it."""
    dataset = minimal(Modality="cr ", StudyInstanceUID="1.2.3", PatientID=" 17  ")
    dataset.add_new("AccessionNumber", "SH", b"A1\0 ")

    header = read_header(save(dataset))

    assert ("CR", "1.2.3", "17", "A1") == (
        header.modality,
        header.study_instance_uid,
        header.patient_id,
        header.accession_number,
    )


def test_wrong_values_are_absent(save: Save) -> None:
    """Numbers and dates that are none are None, and the rest of the header stays."""
    dataset = minimal(StudyDescription="Thorax")
    dataset.add_new("StudyDate", "LO", "20201341")
    dataset.add_new("SeriesNumber", "LO", "1A")
    dataset.add_new("Rows", "LO", b"many")

    header = read_header(save(dataset))

    assert (None, None, None, "Thorax") == (
        header.study_date,
        header.series_number,
        header.rows,
        header.study_description,
    )


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
@pytest.mark.parametrize("uid", ["", "../../etc", "1.2." + "3" * 64, "1..2", "GUID-12"])
def test_identity_is_required(save: Save, keyword: str, uid: str) -> None:
    """A missing or malformed Study, Series or SOP Instance UID is refused by name and without its value."""
    placeholder = b"1." * 33 + b"12"
    path = save(minimal(**{keyword: placeholder.decode()}))
    path.write_bytes(path.read_bytes().replace(placeholder, uid.encode().ljust(len(placeholder), b"\0")))

    with pytest.raises(NotIndexable, match=keyword) as refused:
        read_header(path)

    assert not uid or uid not in str(refused.value)


@pytest.mark.parametrize("uid", ["1.2.03", "17", "1." + "2" * 62])
def test_uids_of_old_archives(save: Save, uid: str) -> None:
    """A UID that breaks a rule of form only, and one of the full 64 characters, is taken as it is."""
    assert uid == read_header(save(minimal(StudyInstanceUID=uid))).study_instance_uid


@pytest.mark.parametrize("content", [b"", b"not DICOM at all", b"\0" * 300, b"\0" * 128 + b"DICM"])
def test_other_files(tmp_path: Path, content: bytes) -> None:
    """What is no DICOM is refused with a reason, not with a parser's exception."""
    path = tmp_path / "other"
    path.write_bytes(content)

    with pytest.raises(NotIndexable):
        read_header(path)


def test_pixels_are_not_needed(save: Save, tmp_path: Path) -> None:
    """A header is read from a file that breaks off within its pixel data."""
    dataset = minimal(Rows=512, Columns=512)
    dataset.add_new("PixelData", "OW", np.zeros((512, 512), np.uint16).tobytes())
    whole = save(dataset)
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(whole.read_bytes()[:2000])

    assert 512 == read_header(broken).rows


@pytest.mark.parametrize(
    ("age", "years"),
    [("039Y", 39.0), ("018M", 1.5), ("026W", 0.498), ("010D", 0.027), ("45", 45.0), ("045 Y", 45.0), ("999Y", None)],
)
def test_age(age: str, years: float | None) -> None:
    """Patient's Age is read in all its units; an impossible age is none."""
    assert years == age_years(age, None, None)


def test_age_by_dates() -> None:
    """Without Patient's Age the two dates give it; a birth after the study gives none."""
    born = dt.date(1950, 6, 1)

    assert 70.001 == age_years("", born, dt.date(2020, 6, 1))
    assert age_years("", born, dt.date(1949, 1, 1)) is None
    assert age_years("", None, dt.date(2020, 6, 1)) is None


def test_procedure_codes(save: Save) -> None:
    """The codes of the procedure are kept with the values that they have; items without any are not."""
    dataset = minimal(SpecificCharacterSet="ISO_IR 100")
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "P5-09051", "SRT", "Röntgen "
    dataset.ProcedureCodeSequence = [code, Dataset()]

    expected = {"CodeValue": "P5-09051", "CodingSchemeDesignator": "SRT", "CodeMeaning": "Röntgen"}
    assert (expected,) == read_header(save(dataset)).procedure_code_sequence
    assert () == read_header(save(minimal())).procedure_code_sequence
