"""Identifiers are read within limits, and every one is understood or refused in one clear line."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pynetdicom.dsutils import encode

from dicom_services.scp.ports import Level
from dicom_services.scp.query.identifier import (
    MAX_VALUE_LENGTH,
    InvalidIdentifier,
    Negotiated,
    ParsedFind,
    parse_find,
    parse_retrieve,
)
from dicom_services.scp.query.identifier_reader import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MalformedIdentifier,
    read_identifier,
)
from dicom_services.scp.query.matching import AnyOf, Empty, Exact, Name, Range

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


def query(level="STUDY", **keys):
    """A data set of keys."""
    ds = Dataset()
    ds.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(ds, keyword, value)
    return ds


def read(ds, syntax=ImplicitVRLittleEndian):
    """Encode with pydicom and read."""
    data = encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    return read_identifier(data, syntax)


def item(*keys):
    """One item of a sequence."""
    ds = Dataset()
    for keyword in keys:
        setattr(ds, keyword, "")
    return ds


def element(tag, value=b"", length=None):
    """One element in implicit VR little endian."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax(syntax):
    """The same query is the same request however it is encoded."""
    ds = query(PatientName="Doe*", Rows="", StudyInstanceUID=["1.2", "1.3"], NumberOfStudyRelatedSeries="3")
    ds.ReferencedStudySequence = [item("PatientID"), item()]
    ds.SpecificCharacterSet = "ISO_IR 100"

    found = parse_find(read(ds, syntax), patient_root=False)

    assert {
        "PatientName": Name("doe*"),
        "StudyInstanceUID": AnyOf(("1.2", "1.3")),
        "NumberOfStudyRelatedSeries": Exact("3"),
    } == found.request.match
    assert ("PatientName", "StudyInstanceUID", "NumberOfStudyRelatedSeries") == found.request.returned
    assert ("ISO_IR 100",) == found.character_set.terms
    assert not found.complete  # Rows is of a lower level, the sequence is not kept


@pytest.mark.parametrize("syntax", SYNTAXES[:3])
def test_binary_keys(syntax):
    """A number in binary form matches as a number."""
    found = parse_find(read(query("IMAGE", Rows=512, StudyInstanceUID="1", SeriesInstanceUID="2"), syntax), False)

    assert Exact("512") == found.request.match["Rows"]


@pytest.mark.parametrize("terms", [["", "ISO 2022 IR 87"], ["GB18030"], ["GBK"]])
def test_decoded_before_parted(terms):
    """A character whose second byte looks like a backslash or an equals sign is one character."""
    identifier = read(query(PatientID="表\\能", PatientName="=ソ^表", SpecificCharacterSet=terms))

    assert ("表", "能") == identifier.values("PatientID")
    assert ("=ソ^表",) == identifier.values("PatientName")


def test_what_says_how_to_read_is_no_key():
    """Attributes about the query itself are neither matched nor reported as unsupported."""
    ds = query(TimezoneOffsetFromUTC="+0100", RetrieveAETitle="", InstanceAvailability="", StudyDate="")
    ds.QueryRetrieveView = "CLASSIC"
    ds.add_new(0x00100000, "UL", 12)

    found = parse_find(read(ds), patient_root=False)

    assert (True, {}, ("StudyDate", "StudyInstanceUID")) == (
        found.complete,
        found.request.match,
        found.request.returned,
    )


def test_private_keys_are_reported():
    """A private key is not supported and the query is answered without it."""
    ds = query(PatientID="1")
    ds.add_new(0x00091001, "LO", "x")

    found = parse_find(read(ds, ExplicitVRLittleEndian), patient_root=False)

    assert (False, {"PatientID": Exact("1")}) == (found.complete, found.request.match)


@pytest.mark.parametrize(
    ("level", "keys", "patient_root", "missing"),
    [
        ("SERIES", {}, False, "StudyInstanceUID"),
        ("IMAGE", {"StudyInstanceUID": "1"}, False, "SeriesInstanceUID"),
        ("STUDY", {}, True, "PatientID"),
        ("STUDY", {"PatientID": "P*"}, True, "PatientID"),
        ("SERIES", {"StudyInstanceUID": "*"}, False, "StudyInstanceUID"),
    ],
)
def test_unique_keys_above(level, keys, patient_root, missing):
    """Without relational queries the unique keys above the level are required, with them they are not."""
    identifier = read(query(level, **keys))

    with pytest.raises(InvalidIdentifier, match=missing):
        parse_find(identifier, patient_root)
    assert level == parse_find(identifier, patient_root, Negotiated(relational=True)).request.level


@pytest.mark.parametrize(("level", "patient_root"), [("", False), ("PATIENT", False), ("WORKLIST", True)])
def test_levels_outside_the_model(level, patient_root):
    """A level that the model does not have is refused, relational or not."""
    with pytest.raises(InvalidIdentifier, match=r"level|Level"):
        parse_find(read(query(level)), patient_root, Negotiated(relational=True))


def test_level_in_lower_case():
    """Some write the level in lower case."""
    assert Level.STUDY == parse_find(read(query("study ")), patient_root=False).request.level


def test_relational_retrieve():
    """With relational retrieve the unique key of the level is enough."""
    ds = query("IMAGE", SOPInstanceUID=["1", "2"])

    with pytest.raises(InvalidIdentifier, match="StudyInstanceUID"):
        parse_retrieve(read(ds), patient_root=False)
    assert ("1", "2") == parse_retrieve(read(ds), patient_root=False, relational=True).sop_instance_uids


@pytest.mark.parametrize(
    ("date", "time", "inside", "outside"),
    [
        ("20060705-20060707", "1000-1800", ["20060705 1000", "20060706 0300", "20060707 1800"], ["20060705 0959"]),
        ("20060705-20060707", "1000-1800", ["20060707 180059"], ["20060707 180100", "20060708 1200"]),
        ("20060705-", "1000-", ["20060705 1000", "20300101 0000"], ["20060705 0900", "20060704 2300"]),
        ("-20060707", "-1800", ["20060707 1759", "20000101 2300"], ["20060707 1900"]),
        ("20060705-20060707", "-1800", ["20060705 0000", "20060707 1800"], ["20060707 1900"]),
        ("20060705-20060707", "1000-", ["20060707 2359"], ["20060705 0900"]),
    ],
)
def test_combined_date_and_time(date, time, inside, outside):
    """When negotiated, ranges of Study Date and Study Time are one range of moments (PS3.4 C.2.2.2.5)."""
    found = parse_find(read(query(StudyDate=date, StudyTime=time)), False, Negotiated(combined_datetime=True))

    def accepts(moment):
        day, clock = moment.split()
        return found.moments.accepts({"StudyDate": day, "StudyTime": clock})

    assert {"StudyDate"} == set(found.request.match)
    assert (True, False) == (all(map(accepts, inside)), any(map(accepts, outside)))


def test_date_and_time_apart():
    """Not negotiated, the range of times holds on each day; a single date is no range to combine with."""
    apart = parse_find(read(query(StudyDate="20060705-20060707", StudyTime="10-18")), False)
    one_day = parse_find(
        read(query(StudyDate="20060705", StudyTime="10-18")), False, Negotiated(combined_datetime=True)
    )

    assert [None, None] == [apart.moments, one_day.moments]
    assert [Range("10", "189999.999999")] * 2 == [q.request.match["StudyTime"] for q in (apart, one_day)]


def test_empty_value_when_negotiated():
    """Two quotation marks look for studies without value."""
    identifier = read(query(AccessionNumber='""'))

    assert Empty() == parse_find(identifier, False, Negotiated(empty_value=True)).request.match["AccessionNumber"]
    assert Exact('""') == parse_find(identifier, False).request.match["AccessionNumber"]


def test_more_than_one_item():
    """A sequence key has one item (PS3.4 C.2.2.2.6); more have no meaning and are refused."""
    with pytest.raises(InvalidIdentifier, match="more than one item"):
        parse_find(read(query(ProcedureCodeSequence=[item("CodeValue"), item("CodeMeaning")])), patient_root=False)


def nested(depth):
    """Sequences inside one another, each of undefined length and never closed."""
    return (element(0x00081110, length=0xFFFFFFFF) + element(0xFFFEE000, length=0xFFFFFFFF)) * depth


HOSTILE = {
    "within a tag": b"\x08\0",
    "within a length": b"\x08\0\x52\0\1",
    "beyond the end": element(0x00080052, b"STUDY ", length=0x7FFFFFFF),
    "too many elements": element(0x00100010) * 100_000,
    "too many items": element(0x00081110, length=0xFFFFFFFF) + element(0xFFFEE000) * 100_000,
    "too deep": nested(100_000),
    "deep in unknown VRs": b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff" + nested(MAX_DEPTH + 1),
    "no item": element(0x00081110, length=0xFFFFFFFF) + element(0x00100010, b"x "),
    "too long": element(0x00100010, b"x" * MAX_BYTES),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_identifiers(data):
    """What is broken or beyond the limits is refused at once, with a reason that fits an Error Comment."""
    syntax = ExplicitVRLittleEndian if b"UN" in data[:8] else ImplicitVRLittleEndian

    with pytest.raises(MalformedIdentifier) as refused:
        read_identifier(data, syntax)
    assert 0 < len(str(refused.value)) <= 64


@pytest.mark.parametrize("size", [10, 64 << 20])
def test_inflation_is_limited(size):
    """A small data set that inflates without end is refused; what is no deflated stream as well."""
    deflater = zlib.compressobj(wbits=-15)
    data = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(size >> 20)) + deflater.flush()
    data = data if size > 10 else b"\xff" * 10

    with pytest.raises(MalformedIdentifier):
        read_identifier(data, DeflatedExplicitVRLittleEndian)


def test_limits_are_wide_enough():
    """A list of 10,000 UIDs, sequences and many keys pass."""
    ds = query(StudyInstanceUID=[f"1.2.840.{n}" for n in range(10_000)])
    inner = ds
    for _ in range(MAX_DEPTH):
        inner.ReferencedStudySequence = [Dataset()]
        inner = inner.ReferencedStudySequence[0]
    for number in range(MAX_ELEMENTS - 50):
        ds.add_new(0x00091000 + number, "LO", "")

    found = parse_find(read(ds), patient_root=False)

    assert 10_000 == len(found.request.match["StudyInstanceUID"].values)


def test_a_value_that_is_too_long():
    """A text to match that no attribute could hold is refused, not compiled."""
    with pytest.raises(InvalidIdentifier, match=f"PatientName holds more than {MAX_VALUE_LENGTH}"):
        parse_find(read(query(PatientName="*a" * MAX_VALUE_LENGTH)), patient_root=False)


def understood(data, syntax):
    """Read and parse; None when it was refused as it should be."""
    try:
        return parse_find(read_identifier(data, syntax), True, Negotiated(True, True, True))
    except (MalformedIdentifier, InvalidIdentifier):
        return None


@given(st.binary(max_size=200), st.sampled_from(SYNTAXES))
def test_any_bytes(data, syntax):
    """Any bytes are understood or refused."""
    found = understood(data, syntax)

    assert found is None or isinstance(found, ParsedFind)


@given(
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 400),
    syntax=st.sampled_from(SYNTAXES[:3]),
)
def test_damaged_queries(changes, cut, syntax):
    """A query with changed and missing bytes is understood or refused."""
    ds = query(
        "PATIENT", PatientName="山田*", PatientBirthDate="19600102-", SpecificCharacterSet=["", "ISO 2022 IR 87"]
    )
    ds.ReferencedStudySequence = [item("PatientID")]
    data = bytearray(encode(ds, syntax.is_implicit_VR, syntax.is_little_endian, False))
    for at, byte in changes:
        data[at % len(data)] = byte

    found = understood(bytes(data[: max(1, len(data) - cut % len(data))]), syntax)

    assert found is None or isinstance(found, ParsedFind)


@given(
    level=st.sampled_from(["PATIENT", "STUDY", "SERIES", "IMAGE", "X"]),
    uids=st.lists(st.text("0123456789.*", max_size=20), max_size=3),
    patient_root=st.booleans(),
    relational=st.booleans(),
)
def test_any_retrieve(level, uids, patient_root, relational):
    """A retrieve names what it wants at its level, or is refused: it never stands for everything."""
    ds = query(level, PatientID="", StudyInstanceUID=uids, SeriesInstanceUID=uids, SOPInstanceUID=uids)
    try:
        found = parse_retrieve(read(ds), patient_root, relational)
    except InvalidIdentifier:
        return

    wanted = {Level.PATIENT: found.patient_id, Level.STUDY: found.study_instance_uids,
              Level.SERIES: found.series_instance_uids, Level.IMAGE: found.sop_instance_uids}[found.level]  # fmt: skip
    assert wanted


@pytest.mark.parametrize("uid", ["1.2\0.3", "1.2.\0\0.4"])
def test_a_nul_within_a_value(uid):
    """A NUL is padding at the end alone; within a value it is refused before a database has to."""
    malformed = read(query("STUDY", StudyInstanceUID=uid))

    with pytest.raises(MalformedIdentifier, match="NUL"):
        parse_find(malformed, False, Negotiated())
    with pytest.raises(MalformedIdentifier, match="NUL"):
        parse_retrieve(malformed, False)
