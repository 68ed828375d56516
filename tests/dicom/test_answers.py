"""Identifiers of pending responses are packed byte for byte as pydicom encodes them."""

import datetime as dt
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.dsutils import decode, encode

from dicom_services.character_sets import UTF_8, character_set
from dicom_services.scp.query.answers import AnswerPacker
from dicom_services.scp.query.identifier import KEYS
from dicom_services.scp.query.sequence_keys import ITEM_KEYS

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
CONSTANTS = {"QueryRetrieveLevel": "STUDY", "RetrieveAETitle": "RADIR", "InstanceAvailability": "ONLINE"}
CODE = ITEM_KEYS["ProcedureCodeSequence"]
KEYWORDS = sorted({keyword for keywords in KEYS.values() for keyword in keywords})

letters = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\\=^ ")
ascii_letters = st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\=^")


def values(vr, characters):
    """What the catalogue may hold in an element of the VR."""
    text = st.text(characters, min_size=1, max_size=20)
    plain = st.text(ascii_letters, min_size=1, max_size=16)
    by_vr = {
        "US": st.integers(0, 0xFFFF),
        "IS": st.integers(-(2**31), 2**31 - 1),
        "DA": st.dates(min_value=dt.date(1000, 1, 1)),
        "TM": st.sampled_from(["101500", "1015", "101500.123"]),
        "UI": st.from_regex(r"[12](\.[1-9][0-9]{0,5}){1,9}", fullmatch=True),
        "CS": plain | st.lists(plain, max_size=3) | st.lists(plain, max_size=3).map(tuple),
    }
    if vr == "SQ":
        return st.none() | st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(CODE, text)), max_size=2)
    return st.none() | st.just("") | by_vr.get(vr, text)


def rows(characters):
    """Rows with any of the keys."""
    return st.fixed_dictionaries({}, optional={k: values(dictionary_VR(k), characters) for k in KEYWORDS})


def as_dataset(row, keywords, term=""):
    """What pydicom makes of the same row."""
    ds = Dataset()
    for keyword in keywords:
        value = row.get(keyword)
        value = f"{value:%Y%m%d}" if isinstance(value, dt.date) else value
        if keyword == "ProcedureCodeSequence":
            value = [as_item(item) for item in value or ()]
        setattr(ds, keyword, list(value) if isinstance(value, tuple) else value)
    for keyword, constant in CONSTANTS.items():
        setattr(ds, keyword, constant)
    if term:
        ds.SpecificCharacterSet = term
    return ds


def as_item(item):
    """What pydicom makes of one code."""
    ds = Dataset()
    for keyword in CODE:
        setattr(ds, keyword, item.get(keyword))
    return ds


def encoded(ds, syntax):
    """Encode with pydicom."""
    return encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)


@pytest.fixture(autouse=True)
def no_validation(monkeypatch):
    """The catalogue holds what senders sent; pydicom is to write it as it is."""
    monkeypatch.setattr(config.settings, "_writing_validation_mode", config.IGNORE)
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.IGNORE)


@given(row=rows(ascii_letters), syntax=st.sampled_from(SYNTAXES), keywords=st.sets(st.sampled_from(KEYWORDS)))
def test_as_pydicom_encodes(row, syntax, keywords):
    """Every row of ASCII text comes out as pydicom writes it, in every transfer syntax."""
    packed = AnswerPacker(keywords, CONSTANTS, syntax, [], ITEM_KEYS).pack(row)

    assert encoded(as_dataset(row, keywords), syntax) == packed


@given(row=rows(letters), syntax=st.sampled_from(SYNTAXES), keywords=st.sets(st.sampled_from(KEYWORDS), min_size=8))
def test_as_pydicom_encodes_beyond_ascii(row, syntax, keywords):
    """Text beyond ASCII comes out in UTF-8 with the attribute that says so, and only then."""
    codes = [item for k in keywords if k == "ProcedureCodeSequence" for item in row.get(k) or ()]
    in_set = [row.get(k) or "" for k in keywords if dictionary_VR(k) in ("LO", "PN", "SH")]
    in_set += [text for item in codes for text in item.values()]
    term = "" if all(map(str.isascii, in_set)) else "ISO_IR 192"

    packed = AnswerPacker(keywords, CONSTANTS, syntax, [], ITEM_KEYS).pack(row)

    assert encoded(as_dataset(row, keywords, term), syntax) == packed


@pytest.mark.parametrize(
    ("term", "name"),
    [("ISO_IR 100", "Müller^Änne"), ("ISO_IR 101", "Wałęsa^Świę"), ("ISO_IR 126", "Διονυσιος"), ("ISO_IR 144", "Люкс"),
     ("ISO_IR 127", "قباني^لنزار"), ("ISO_IR 138", "שרון^דבורה"), ("ISO_IR 166", "กานต์"), ("ISO_IR 148", "Çavuşoğlu"),
     ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"), ("GB18030", "王^小东"), ("GBK", "王^小东"), ("ISO_IR 192", "王^小东")],
)  # fmt: skip
def test_in_the_set_of_the_query(term, name):
    """An answer that the query's character set can hold comes in it, as pydicom writes it."""
    row = {"PatientName": name, "PatientID": "1"}

    packed = AnswerPacker(row, CONSTANTS, ExplicitVRLittleEndian, [character_set([term])]).pack(row)

    assert encoded(as_dataset(row, row, term), ExplicitVRLittleEndian) == packed


def test_beyond_the_set_of_the_query():
    """One value that the query's set cannot hold takes the whole answer to UTF-8; an answer in ASCII names no set."""
    keywords, latin_1 = ["PatientName", "StudyDescription"], character_set(["ISO_IR 100"])
    packer = AnswerPacker(keywords, {}, ImplicitVRLittleEndian, [latin_1])

    both = decode(BytesIO(packer.pack({"PatientName": "Müller", "StudyDescription": "грудь"})), True, True)
    plain = decode(BytesIO(packer.pack({"PatientName": "Doe", "StudyDescription": "chest"})), True, True)

    assert ("ISO_IR 192", "Müller", "грудь") == (both.SpecificCharacterSet, both.PatientName, both.StudyDescription)
    assert "SpecificCharacterSet" not in plain


def test_first_set_that_holds_the_answer():
    """Of several sets the first that holds all text is taken."""
    sets = [character_set(["ISO_IR 100"]), character_set(["ISO_IR 144"]), UTF_8]
    packer = AnswerPacker(["PatientName"], {}, ImplicitVRLittleEndian, sets)

    found = decode(BytesIO(packer.pack({"PatientName": "Люкс"})), True, True)

    assert ("ISO_IR 144", "Люкс") == (found.SpecificCharacterSet, found.PatientName)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_that_fit_nowhere(syntax):
    """Values beyond their VR are cut or left out, and the rest of the answer stands."""
    row = {"Rows": 70000, "Columns": -1, "StudyDescription": "x" * 70001, "PatientName": "\ud800", "Modality": "É",
           "NumberOfFrames": "many", "StudyInstanceUID": "1.2"}  # fmt: skip

    data = AnswerPacker(row, CONSTANTS, syntax, []).pack(row)
    found = decode(BytesIO(data), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)

    assert (None, None, 0xFFFE) == (found.Rows, found.Columns, len(found.StudyDescription))
    assert ("?", "?", "1.2") == (found.PatientName, found.Modality, found.StudyInstanceUID)
