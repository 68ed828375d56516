"""Reads the identifier of a C-FIND, C-MOVE or C-GET into typed requests, and says what keys the node supports.

Called by query.py and retrieve.py; KEYS is also what the conformance statement prints.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from dicom_services.character_sets import CharacterSet
from dicom_services.scp.ports import FindRequest, Level, RetrieveRequest
from dicom_services.scp.query.date_time_keys import combined
from dicom_services.scp.query.identifier_reader import Element, Identifier
from dicom_services.scp.query.matching import AnyOf, Exact, Matcher, Range, matcher, text_of
from dicom_services.scp.query.sequence_keys import ITEM_KEYS, SequenceKey, sequence_key


class InvalidIdentifier(Exception):
    """The identifier does not fit its information model; the text names the attribute, never its value."""


UNIQUE: Mapping[Level, str] = MappingProxyType(
    {
        Level.PATIENT: "PatientID",
        Level.STUDY: "StudyInstanceUID",
        Level.SERIES: "SeriesInstanceUID",
        Level.IMAGE: "SOPInstanceUID",
    }
)
"""Unique key of each level (PS3.4 C.6)."""

KEYS: Mapping[Level, tuple[str, ...]] = MappingProxyType(
    {
        Level.PATIENT: (
            "PatientID",
            "PatientName",
            "IssuerOfPatientID",
            "PatientBirthDate",
            "PatientSex",
            "NumberOfPatientRelatedStudies",
            "NumberOfPatientRelatedSeries",
            "NumberOfPatientRelatedInstances",
        ),
        Level.STUDY: (
            "StudyInstanceUID",
            "StudyDate",
            "StudyTime",
            "AccessionNumber",
            "StudyID",
            "StudyDescription",
            "ModalitiesInStudy",
            "SOPClassesInStudy",
            "ReferringPhysicianName",
            "ProcedureCodeSequence",
            "NumberOfStudyRelatedSeries",
            "NumberOfStudyRelatedInstances",
        ),
        Level.SERIES: (
            "SeriesInstanceUID",
            "Modality",
            "SeriesNumber",
            "SeriesDescription",
            "BodyPartExamined",
            "NumberOfSeriesRelatedInstances",
        ),
        Level.IMAGE: ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns", "NumberOfFrames"),
    }
)
"""Matching and return keys of each level; at a lower level those of the levels above it are supported too."""

MAX_VALUE_LENGTH = 1024
"""Characters of one value to match; the longest VR with wild cards that is searched for holds 64 (PS3.5 6.2)."""

_LEVELS = tuple(Level)
_BY_TAG = {
    int(tag_for_keyword(keyword) or 0): keyword for at in (KEYS, ITEM_KEYS) for ks in at.values() for keyword in ks
}
_NOT_KEYS = frozenset(
    {
        "QueryRetrieveLevel",
        "SpecificCharacterSet",
        "TimezoneOffsetFromUTC",
        "RetrieveAETitle",
        "InstanceAvailability",
        "QueryRetrieveView",
        "DataSetTrailingPadding",
    }
)
"""Neither matched nor returned as asked: they say how to read the query, or are in every answer anyway."""


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What the peers agreed on by SOP Class Extended Negotiation (PS3.4 C.5.1.1)."""

    relational: bool = False
    combined_datetime: bool = False
    empty_value: bool = False


@dataclass(frozen=True, slots=True)
class StudyMoments:
    """A range over Study Date and Study Time together (PS3.4 C.2.2.2.5.4), ends inside; an empty one is open."""

    low: str
    high: str

    def accepts(self, row: Mapping[str, object]) -> bool:
        date = text_of(row.get("StudyDate"))
        moment = combined(date, text_of(row.get("StudyTime")))
        return bool(date) and (not self.low or moment >= self.low) and (not self.high or moment <= self.high)


@dataclass(frozen=True, slots=True)
class ParsedFind:
    """A C-FIND as asked: what the catalogue is asked, and whether every key was understood."""

    request: FindRequest
    complete: bool
    """False when an optional key is not supported; the peer is told with 0xFF01."""
    character_set: CharacterSet
    """Of the query; its answers come in it where it can hold them."""
    sequences: tuple[SequenceKey, ...] = ()
    moments: StudyMoments | None = None


@dataclass(slots=True)
class _Keys:
    """The keys of one data set or item while they are read."""

    match: dict[str, Matcher] = field(default_factory=dict)
    returned: list[str] = field(default_factory=list)
    sequences: list[SequenceKey] = field(default_factory=list)
    complete: bool = True


def parse_find(identifier: Identifier, patient_root: bool, negotiated: Negotiated = Negotiated()) -> ParsedFind:
    """Raises InvalidIdentifier when the level, or without relational queries a unique key above it, is missing."""
    level = _level(identifier.values("QueryRetrieveLevel"), patient_root)
    keys = _keys(identifier, supported_keys(level), negotiated)
    for above in () if negotiated.relational else _levels_above(level, patient_root):
        if not isinstance(keys.match.get(UNIQUE[above]), Exact | AnyOf):
            raise InvalidIdentifier(f"{UNIQUE[above]} is required at level {level}")
    moments = _combine(keys.match) if negotiated.combined_datetime else None
    request = FindRequest(level, keys.match, tuple(dict.fromkeys([*keys.returned, UNIQUE[level]])))
    return ParsedFind(request, keys.complete, identifier.character_set, tuple(keys.sequences), moments)


def parse_retrieve(identifier: Identifier, patient_root: bool, relational: bool = False) -> RetrieveRequest:
    """Raises InvalidIdentifier when the level, its unique key, or without relational retrieve one above, is missing."""
    level = _level(identifier.values("QueryRetrieveLevel"), patient_root)
    for required in (*(() if relational else _levels_above(level, patient_root)), level):
        if not identifier.values(UNIQUE[required]):
            raise InvalidIdentifier(f"{UNIQUE[required]} is required at level {level}")
    depth = _LEVELS.index(level)
    return RetrieveRequest(
        level=level,
        patient_id=next(iter(identifier.values("PatientID")), ""),
        study_instance_uids=identifier.values("StudyInstanceUID") if depth >= _LEVELS.index(Level.STUDY) else (),
        series_instance_uids=identifier.values("SeriesInstanceUID") if depth >= _LEVELS.index(Level.SERIES) else (),
        sop_instance_uids=identifier.values("SOPInstanceUID") if level is Level.IMAGE else (),
    )


def supported_keys(level: Level) -> frozenset[str]:
    """Keywords of the level and of every level above it."""
    return frozenset(k for at in _LEVELS[: _LEVELS.index(level) + 1] for k in KEYS[at])


def _level(values: tuple[str, ...], patient_root: bool) -> Level:
    try:
        (value,) = values
        level = Level(value.upper())
    except ValueError:
        raise InvalidIdentifier("QueryRetrieveLevel is missing or unknown") from None
    if level is Level.PATIENT and not patient_root:
        raise InvalidIdentifier("level PATIENT is not part of the Study Root model")
    return level


def _keys(identifier: Identifier, supported: Collection[str], negotiated: Negotiated) -> _Keys:
    keys = _Keys()
    for element in identifier.elements:
        keyword = _BY_TAG.get(element.tag, "")
        if keyword not in supported:
            # (gggg,0000) is a group length
            keys.complete &= keyword_for_tag(element.tag) in _NOT_KEYS or not element.tag & 0xFFFF
            continue
        keys.returned.append(keyword)
        if keyword in ITEM_KEYS:
            asked = _item_keys(element, keyword, negotiated)
            keys.complete &= asked.complete
            keys.sequences.append(sequence_key(keyword, asked.returned, asked.match))
        elif (key := _key(identifier, element, keyword, negotiated)) is not None:
            keys.match[keyword] = key
    return keys


def _item_keys(element: Element, keyword: str, negotiated: Negotiated) -> _Keys:
    """Return the keys inside a sequence; none when it holds no item, which is universal matching."""
    if len(element.items) > 1:
        raise InvalidIdentifier(f"{keyword} holds more than one item")
    return _keys(element.items[0], ITEM_KEYS[keyword], negotiated) if element.items else _Keys()


def _key(identifier: Identifier, element: Element, keyword: str, negotiated: Negotiated) -> Matcher | None:
    vr = dictionary_VR(keyword)
    values = identifier.texts(element, vr)
    if any(len(value) > MAX_VALUE_LENGTH for value in values):
        raise InvalidIdentifier(f"{keyword} holds more than {MAX_VALUE_LENGTH} characters")
    return matcher(vr, values, negotiated.empty_value)


def _combine(match: dict[str, Matcher]) -> StudyMoments | None:
    """Take Study Time out of the keys where it is part of a range that the Study Date begins."""
    date, time = match.get("StudyDate"), match.get("StudyTime")
    if not isinstance(date, Range) or not isinstance(time, Range):
        return None
    del match["StudyTime"]
    low = date.low and combined(date.low, time.low)
    return StudyMoments(low, date.high and combined(date.high, time.high or "99"))


def _levels_above(level: Level, patient_root: bool) -> tuple[Level, ...]:
    first = 0 if patient_root else 1
    return _LEVELS[first : _LEVELS.index(level)]
