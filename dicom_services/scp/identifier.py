"""Reads the identifier of a C-FIND, C-MOVE or C-GET into typed requests, and says what keys the node supports.

Called by query.py and retrieve.py; KEYS is also what the conformance statement prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_services.character_sets import CharacterSet
from dicom_services.scp.date_time_keys import combined
from dicom_services.scp.identifier_reader import Element, Identifier
from dicom_services.scp.matching import AnyOf, Exact, Matcher, Range, matcher, text_of
from dicom_services.scp.ports import FindRequest, Level, RetrieveRequest


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
_VR_BY_KEYWORD = {keyword: dictionary_VR(keyword) for keywords in KEYS.values() for keyword in keywords}
_BY_TAG = {int(tag_for_keyword(keyword) or 0): keyword for keyword in _VR_BY_KEYWORD}
_NOT_KEYS = frozenset(
    int(tag_for_keyword(keyword) or 0)
    for keyword in (
        "QueryRetrieveLevel",
        "SpecificCharacterSet",
        "TimezoneOffsetFromUTC",
        "RetrieveAETitle",
        "InstanceAvailability",
        "QueryRetrieveView",
        "DataSetTrailingPadding",
    )
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
    moments: StudyMoments | None = None


def parse_find(identifier: Identifier, patient_root: bool, negotiated: Negotiated = Negotiated()) -> ParsedFind:
    """Raises InvalidIdentifier when the level, or without relational queries a unique key above it, is missing."""
    level = _level(identifier.values("QueryRetrieveLevel"), patient_root)
    supported = supported_keys(level)
    match: dict[str, Matcher] = {}
    returned: list[str] = []
    complete = True
    for element in identifier.elements:
        keyword = _BY_TAG.get(element.tag, "")
        if keyword in supported:
            returned.append(keyword)
            key = _key(identifier, element, keyword, negotiated)
            if key is not None:
                match[keyword] = key
        elif element.tag not in _NOT_KEYS and element.tag & 0xFFFF:  # (gggg,0000) is a group length
            complete = False
    for above in () if negotiated.relational else _levels_above(level, patient_root):
        if not isinstance(match.get(UNIQUE[above]), Exact | AnyOf):
            raise InvalidIdentifier(f"{UNIQUE[above]} is required at level {level}")
    moments = _combine(match) if negotiated.combined_datetime else None
    request = FindRequest(level, match, tuple(dict.fromkeys([*returned, UNIQUE[level]])))
    return ParsedFind(request, complete, identifier.character_set, moments)


def parse_retrieve(identifier: Dataset, patient_root: bool, relational: bool = False) -> RetrieveRequest:
    """Raises InvalidIdentifier when the level, its unique key, or without relational retrieve one above, is missing."""
    level = _level(_values(identifier, "QueryRetrieveLevel"), patient_root)
    for required in (*(() if relational else _levels_above(level, patient_root)), level):
        if not _values(identifier, UNIQUE[required]):
            raise InvalidIdentifier(f"{UNIQUE[required]} is required at level {level}")
    depth = _LEVELS.index(level)
    return RetrieveRequest(
        level=level,
        patient_id=next(iter(_values(identifier, "PatientID")), ""),
        study_instance_uids=_values(identifier, "StudyInstanceUID") if depth >= _LEVELS.index(Level.STUDY) else (),
        series_instance_uids=_values(identifier, "SeriesInstanceUID") if depth >= _LEVELS.index(Level.SERIES) else (),
        sop_instance_uids=_values(identifier, "SOPInstanceUID") if level is Level.IMAGE else (),
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


def _key(identifier: Identifier, element: Element, keyword: str, negotiated: Negotiated) -> Matcher | None:
    vr = _VR_BY_KEYWORD[keyword]
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


def _values(identifier: Dataset, keyword: str) -> tuple[str, ...]:
    element = identifier.get(keyword)
    if element is None:
        return ()
    values = element if isinstance(element, (MultiValue, list)) else [element]
    return tuple(text for text in (str(v).strip(" \0") for v in values) if text and text != "*")
