"""Answers C-FIND: what the catalogue holds, and inside each indexed study the series of similar cases.

A patient or study query is answered literally: never with another patient's studies. Called by scp/server.py.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TypeVar

import structlog
from pydicom.dataset import Dataset

from dicom_services.scp.exchange import Exchange, UnreadableIdentifier
from dicom_services.scp.identifier import KEYS, InvalidIdentifier, parse_find, supported_keys
from dicom_services.scp.matching import AnyOf, Exact, Matcher, matches
from dicom_services.scp.ports import FindRequest, Level, QueryPort, SimilarCasesPort, VirtualSeries
from radir_node.errors import TransientError, UserError
from radir_node.settings import Dicom

log = structlog.get_logger()

_T = TypeVar("_T")

SUCCESS = 0x0000
PENDING = 0xFF00
PENDING_KEYS_UNSUPPORTED = 0xFF01
CANCELLED = 0xFE00
OUT_OF_RESOURCES = 0xA700
IDENTIFIER_MISMATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000

_COUNTS = ("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances")
"""Study attributes that the virtual series changes."""

_PAGE = 200
"""Studies whose virtual series are asked for at once."""

Row = dict[str, object]


def answer_find(exchange: Exchange, query: QueryPort, similar: SimilarCasesPort, config: Dicom) -> None:
    """Send one pending response per match, then the final status (PS3.4 C.4.1.2)."""
    try:
        parsed = parse_find(exchange.identifier(), exchange.is_patient_root)
        pending = PENDING if parsed.complete else PENDING_KEYS_UNSUPPORTED
        for row in rows(parsed.request, query, similar):
            if exchange.cancelled:
                exchange.respond(CANCELLED)
                return
            if not exchange.alive:
                return
            exchange.respond(pending, response(row, parsed.request, config.ae_title))
    except UnreadableIdentifier:
        exchange.respond(UNABLE_TO_PROCESS, comment="identifier cannot be read")
    except InvalidIdentifier as error:
        exchange.respond(IDENTIFIER_MISMATCH, comment=str(error))
    except TransientError as error:
        log.warning("find_failed", error=type(error).__name__)
        exchange.respond(OUT_OF_RESOURCES, comment="the catalogue does not answer")
    else:
        exchange.respond(SUCCESS)


def rows(request: FindRequest, query: QueryPort, similar: SimilarCasesPort) -> Iterator[Row]:
    """Yield every entity that satisfies all matchers, virtual series included."""
    for row in _candidates(request, query, similar):
        texts: Row = {keyword: as_dicom(value) for keyword, value in row.items()}
        if all(matches(key, texts.get(keyword)) for keyword, key in request.match.items()):
            yield texts


def response(row: Mapping[str, object], request: FindRequest, ae_title: str) -> Dataset:
    """Build the identifier of one pending response: the keys asked for, empty where the node holds no value."""
    dataset = Dataset()
    for keyword in request.returned:
        setattr(dataset, keyword, row.get(keyword))
    dataset.QueryRetrieveLevel = request.level.value
    dataset.RetrieveAETitle = ae_title
    dataset.InstanceAvailability = row.get("InstanceAvailability", "ONLINE")
    if not all(_is_ascii(value) for value in row.values()):
        dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset


def as_dicom(value: object) -> object:
    """Turn a catalogue value into what its element takes; dates become DA text."""
    if isinstance(value, dt.date):
        return value.strftime("%Y%m%d")
    return list(value) if isinstance(value, tuple) else value


def _candidates(request: FindRequest, query: QueryPort, similar: SimilarCasesPort) -> Iterator[Mapping[str, object]]:
    if request.level is Level.STUDY and any(k in request.returned for k in _COUNTS):
        yield from _studies_with_virtual(request, query, similar)
        return
    yield from query.find(request)
    if request.level in (Level.SERIES, Level.IMAGE):
        yield from _virtual(request, query, similar)


def _studies_with_virtual(
    request: FindRequest, query: QueryPort, similar: SimilarCasesPort
) -> Iterator[Mapping[str, object]]:
    # The catalogue knows no SR in a study whose only SR is the virtual one, so that key is left to the server.
    narrowed = {k: m for k, m in request.match.items() if not (k == "ModalitiesInStudy" and m.accepts("SR"))}
    for page in _pages(query.find(FindRequest(request.level, narrowed, request.returned))):
        virtual = virtual_series(similar, [str(row["StudyInstanceUID"]) for row in page])
        for row in page:
            own = virtual.get(str(row["StudyInstanceUID"]))
            yield _counted(row, own) if own else row


def virtual_series(similar: SimilarCasesPort, study_instance_uids: Collection[str]) -> Mapping[str, VirtualSeries]:
    """Return the studies' series of similar cases; none where the node can make none, for a reason people may read."""
    try:
        return similar.series_of_many(study_instance_uids)
    except UserError:
        return {}


def _pages(found: Iterable[_T]) -> Iterator[list[_T]]:
    remaining = iter(found)
    while page := list(islice(remaining, _PAGE)):
        yield page


def _counted(row: Mapping[str, object], virtual: VirtualSeries) -> Row:
    changed = dict(row)
    for keyword in ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"):
        with suppress(KeyError, TypeError, ValueError):
            changed[keyword] = int(str(row[keyword])) + 1
    held = row.get("ModalitiesInStudy")
    if isinstance(held, (list, tuple)):
        changed["ModalitiesInStudy"] = sorted({*map(str, held), virtual.modality})
    return changed


def _virtual(request: FindRequest, query: QueryPort, similar: SimilarCasesPort) -> Iterator[Row]:
    above = tuple(k for k in request.returned if k in supported_keys(Level.STUDY))
    asked = {k: m for k, m in request.match.items() if k in supported_keys(Level.STUDY)}
    wanted = tuple(dict.fromkeys((*above, *asked)))
    for page in _pages(_named(request.match["StudyInstanceUID"])):
        for study, virtual in virtual_series(similar, page).items():
            asked["StudyInstanceUID"] = Exact(study)
            for row in query.find(FindRequest(Level.STUDY, dict(asked), wanted)):
                yield {**row, **_virtual_attributes(virtual)}


def _virtual_attributes(virtual: VirtualSeries) -> Row:
    values: Row = {
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
    absent: Row = {k: None for level in (Level.SERIES, Level.IMAGE) for k in KEYS[level]}
    return absent | values


def _named(key: Matcher) -> tuple[str, ...]:
    if isinstance(key, Exact):
        return (key.value,)
    return key.values if isinstance(key, AnyOf) else ()


def _is_ascii(value: object) -> bool:
    return all(str(v).isascii() for v in value) if isinstance(value, (list, tuple)) else str(value).isascii()
