"""Reads the identifier of a C-FIND, C-MOVE or C-GET into typed requests, and says what keys the node supports.

Called by query.py and retrieve.py; KEYS is also what the conformance statement prints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_services.scp.matching import AnyOf, Exact, Matcher, matcher
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
        Level.PATIENT: ("PatientID", "PatientName", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
        Level.STUDY: (
            "StudyInstanceUID",
            "StudyDate",
            "StudyTime",
            "AccessionNumber",
            "StudyID",
            "StudyDescription",
            "ModalitiesInStudy",
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

_LEVELS = tuple(Level)
_NOT_KEYS = frozenset(
    {
        "QueryRetrieveLevel",
        "SpecificCharacterSet",
        "TimezoneOffsetFromUTC",
        "RetrieveAETitle",
        "InstanceAvailability",
        "QueryRetrieveView",
    }
)


@dataclass(frozen=True, slots=True)
class ParsedFind:
    """A C-FIND as asked: what the catalogue is asked, and whether every key was understood."""

    request: FindRequest
    complete: bool
    """False when an optional key is not supported; the peer is told with 0xFF01."""


def parse_find(identifier: Dataset, patient_root: bool) -> ParsedFind:
    """Raises InvalidIdentifier when the level, or a unique key above it, is missing (no relational queries)."""
    level = _level(identifier, patient_root)
    supported = supported_keys(level)
    match: dict[str, Matcher] = {}
    returned: list[str] = []
    complete = True
    for element in identifier:
        keyword = keyword_for_tag(element.tag)
        if keyword in _NOT_KEYS or element.tag.element == 0:
            continue
        if keyword not in supported:
            complete = False
            continue
        returned.append(keyword)
        key = matcher(dictionary_VR(element.tag), _texts(element))
        if key is not None:
            match[keyword] = key
    for above in _levels_above(level, patient_root):
        if not isinstance(match.get(UNIQUE[above]), (Exact, AnyOf)):
            raise InvalidIdentifier(f"{UNIQUE[above]} is required at level {level}")
    return ParsedFind(FindRequest(level, match, tuple(dict.fromkeys([*returned, UNIQUE[level]]))), complete)


def parse_retrieve(identifier: Dataset, patient_root: bool) -> RetrieveRequest:
    """Raises InvalidIdentifier when the level, or a unique key at or above it, is missing (no relational retrieve)."""
    level = _level(identifier, patient_root)
    for required in (*_levels_above(level, patient_root), level):
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


def _level(identifier: Dataset, patient_root: bool) -> Level:
    try:
        level = Level(str(identifier.get("QueryRetrieveLevel", "")).strip())
    except ValueError:
        raise InvalidIdentifier("QueryRetrieveLevel is missing or unknown") from None
    if level is Level.PATIENT and not patient_root:
        raise InvalidIdentifier("level PATIENT is not part of the Study Root model")
    return level


def _levels_above(level: Level, patient_root: bool) -> tuple[Level, ...]:
    first = 0 if patient_root else 1
    return _LEVELS[first : _LEVELS.index(level)]


def _values(identifier: Dataset, keyword: str) -> tuple[str, ...]:
    element = identifier.get(keyword)
    if element is None:
        return ()
    values = element if isinstance(element, (MultiValue, list)) else [element]
    return tuple(text for text in (str(v).strip(" \0") for v in values) if text and text != "*")


def _texts(element: DataElement) -> Sequence[str]:
    if element.VR == "SQ" or element.value is None:
        return ()
    values = element.value if isinstance(element.value, (MultiValue, list)) else [element.value]
    return [str(value) for value in values]
