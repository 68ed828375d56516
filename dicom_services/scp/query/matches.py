"""The entities that a C-FIND matches: rows of the catalogue, and of the series of similar cases in indexed studies.

Called by query.py. Rows are yielded as they come; only pages of studies wait for their virtual series.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from pydicom.datadict import dictionary_VR

from dicom_services.scp.ports import FindRequest, Level, QueryPort, SimilarCasesPort, VirtualSeries
from dicom_services.scp.query.identifier import KEYS, UNIQUE, ParsedFind, supported_keys
from dicom_services.scp.query.matching import AnyOf, Exact, Matcher, predicate
from radir_node.errors import UserError

_T = TypeVar("_T")

_COUNTED = frozenset(
    {"ModalitiesInStudy", "SOPClassesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"}
)
"""Study attributes that the virtual series changes."""

_MODALITY = "SR"
"""Of every virtual series."""

_PAGE = 200
"""Studies whose virtual series are asked for at once."""

Row = Mapping[str, object]


def matches(parsed: ParsedFind, query: QueryPort, similar: SimilarCasesPort) -> Iterator[Row]:
    """Yield every entity that satisfies all matchers, virtual series included."""
    request = parsed.request
    accepts = _acceptance(parsed)
    held = 0
    for row in filter(accepts, _stored(request, query, similar)):
        held += 1
        yield _with_items(row, parsed)
    if request.level in (Level.SERIES, Level.IMAGE) and _may_hold_virtual(request, held):
        for row in filter(accepts, _virtual(request, query, similar)):
            yield _with_items(row, parsed)


def virtual_series(similar: SimilarCasesPort, study_instance_uids: Collection[str]) -> Mapping[str, VirtualSeries]:
    """Return the studies' series of similar cases; none where the node can make none, for a reason people may read."""
    try:
        return similar.series_of_many(study_instance_uids)
    except UserError:
        return {}


def _acceptance(parsed: ParsedFind) -> Callable[[Row], bool]:
    """Compile the matchers of a query into one test of a row."""
    tests = [(keyword, predicate(dictionary_VR(keyword), key)) for keyword, key in parsed.request.match.items()]
    others = [key.accepts for key in parsed.sequences] + ([parsed.moments.accepts] if parsed.moments else [])

    def accepts(row: Row) -> bool:
        for keyword, holds in tests:
            if not holds(row.get(keyword)):
                return False
        return all(holds(row) for holds in others)

    return accepts


def _with_items(row: Row, parsed: ParsedFind) -> Row:
    """Leave in each sequence the items that match, with the attributes that were asked for (PS3.4 C.2.2.2.6)."""
    return {**row, **{key.keyword: key.items(row) for key in parsed.sequences}} if parsed.sequences else row


def _stored(request: FindRequest, query: QueryPort, similar: SimilarCasesPort) -> Iterator[Row]:
    if request.level is Level.PATIENT or not _COUNTED.intersection(request.returned):
        yield from query.find(request)
        return
    # The catalogue counts without the virtual series, so that what it changes is left to the server.
    narrowed = {k: m for k, m in request.match.items() if k not in _COUNTED or not _depends_on_virtual(k, m)}
    for page in _pages(query.find(replace(request, match=narrowed))):
        virtual = virtual_series(similar, {_study_uid(row) for row in page})
        for row in page:
            own = virtual.get(_study_uid(row))
            yield _counted(row, own) if own else row


def _depends_on_virtual(keyword: str, key: Matcher) -> bool:
    return keyword != "ModalitiesInStudy" or key.accepts(_MODALITY)


def _may_hold_virtual(request: FindRequest, held: int) -> bool:
    """Say whether a virtual series or its object may be among the matches; asking costs a look at every study."""
    modality = request.match.get("Modality")
    if modality is not None and not modality.accepts(_MODALITY):
        return False
    named = _named(request.match.get(UNIQUE[request.level]))
    return not named or held < len(named)


def _virtual(request: FindRequest, query: QueryPort, similar: SimilarCasesPort) -> Iterator[Row]:
    of_study = supported_keys(Level.STUDY)
    match = {k: m for k, m in request.match.items() if k in of_study}
    returned = tuple(dict.fromkeys((*(k for k in request.returned if k in of_study), UNIQUE[Level.STUDY])))
    studies = FindRequest(Level.STUDY, match, returned)
    for page in _pages(_stored(studies, query, similar)):
        virtual = virtual_series(similar, [_study_uid(row) for row in page])
        for row in page:
            own = virtual.get(_study_uid(row))
            if own is not None:
                yield {**row, **_virtual_attributes(own)}


def _counted(row: Row, virtual: VirtualSeries) -> Row:
    changed = dict(row)
    for keyword in ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"):
        with suppress(KeyError, TypeError, ValueError):
            changed[keyword] = int(str(row[keyword])) + 1
    for keyword, value in (("ModalitiesInStudy", virtual.modality), ("SOPClassesInStudy", virtual.sop_class_uid)):
        held = row.get(keyword)
        if isinstance(held, list | tuple):
            changed[keyword] = sorted({*map(str, held), value})
    return changed


def _virtual_attributes(virtual: VirtualSeries) -> Row:
    absent: dict[str, object] = {k: None for level in (Level.SERIES, Level.IMAGE) for k in KEYS[level]}
    return absent | {
        "SeriesInstanceUID": virtual.series_instance_uid,
        "Modality": virtual.modality,
        "SeriesNumber": virtual.series_number,
        "SeriesDescription": virtual.series_description,
        "NumberOfSeriesRelatedInstances": 1,
        "SOPInstanceUID": virtual.sop_instance_uid,
        "SOPClassUID": virtual.sop_class_uid,
        "InstanceNumber": 1,
        "InstanceAvailability": "NEARLINE",  # it is computed when it is fetched (PS3.3 C.4.23.1.1)
    }


def _pages(found: Iterable[_T]) -> Iterator[list[_T]]:
    remaining = iter(found)
    while page := list(islice(remaining, _PAGE)):
        yield page


def _study_uid(row: Row) -> str:
    return str(row["StudyInstanceUID"])


def _named(key: Matcher | None) -> tuple[str, ...]:
    if isinstance(key, Exact):
        return (key.value,)
    return key.values if isinstance(key, AnyOf) else ()
