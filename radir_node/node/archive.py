"""The catalogue behind the DICOM server's ports."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dicom_services.scp.matching import AnyOf, Exact, Range
from dicom_services.scp.ports import FindRequest, RetrieveRequest, StoredObject
from radir_node.catalog.query_retrieve import COLUMNS, Holdings, Narrowing

NARROWED = frozenset(
    {"PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber", "Modality"}
) & set(COLUMNS)
"""Keys with an index in the catalogue; the server applies all others to the rows it is given."""


@dataclass(frozen=True)
class QueryArchive:
    """Implements dicom_services.scp.ports.QueryPort."""

    holdings: Holdings
    root: Path

    def find(self, request: FindRequest) -> Iterator[Mapping[str, object]]:
        yield from self.holdings.find(request.level, _narrowing(request))

    def instances(self, request: RetrieveRequest) -> list[StoredObject]:
        keys: dict[str, Collection[str]] = {
            "PatientID": (request.patient_id,) if request.patient_id else (),
            "StudyInstanceUID": request.study_instance_uids,
            "SeriesInstanceUID": request.series_instance_uids,
            "SOPInstanceUID": request.sop_instance_uids,
        }
        found = self.holdings.files(Narrowing({keyword: values for keyword, values in keys.items() if values}))
        return [StoredObject(**{**row, "path": self.root / row["path"]}) for row in found]


def _narrowing(request: FindRequest) -> Narrowing:
    equal: dict[str, Collection[str]] = {}
    for keyword in NARROWED & set(request.match):
        match request.match[keyword]:
            case Exact(value, False):
                equal[keyword] = (value,)
            case AnyOf(values):
                equal[keyword] = values
    match request.match.get("StudyDate"):
        case Exact(value):
            return Narrowing(equal, (_date(value), _date(value)))
        case Range(low, high):
            return Narrowing(equal, (_date(low), _date(high)))
    return Narrowing(equal)


def _date(text: str) -> dt.date | None:
    """Return a DA value as a date; None (no narrowing here) when it is not one."""
    try:
        return dt.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
