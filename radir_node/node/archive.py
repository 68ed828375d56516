"""The catalogue behind the DICOM server's ports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dicom_services.scp.ports import FindRequest, RetrieveRequest, StoredObject
from dicom_services.scp.query.matching import AnyOf, Empty, Exact, Matcher, Name, Range, Wildcard
from radir_node.catalog.query_keys import Between, Equal, Key, Like
from radir_node.catalog.query_retrieve import Holdings


@dataclass(frozen=True)
class QueryArchive:
    """Implements dicom_services.scp.ports.QueryPort."""

    holdings: Holdings
    root: Path

    def find(self, request: FindRequest) -> Iterator[Mapping[str, object]]:
        keys = {keyword: key for keyword, matcher in request.match.items() if (key := _key(keyword, matcher))}
        yield from self.holdings.find(request.level, keys, {*request.returned, *request.match})

    def instances(self, request: RetrieveRequest) -> list[StoredObject]:
        keys = {
            "PatientID": (request.patient_id,) if request.patient_id else (),
            "StudyInstanceUID": request.study_instance_uids,
            "SeriesInstanceUID": request.series_instance_uids,
            "SOPInstanceUID": request.sop_instance_uids,
        }
        found = self.holdings.files({keyword: Equal(values) for keyword, values in keys.items() if values})
        return [StoredObject(**{**row, "path": self.root / row["path"]}) for row in found]


def _key(keyword: str, matcher: Matcher) -> Key | None:
    """Say a matcher so that the catalogue can narrow by it; None leaves it to the server, which applies all of them."""
    match matcher:
        case Exact(value):
            return Equal((value,))
        case AnyOf(values):
            return Equal(tuple(values))
        case Empty():
            return Equal(("",))
        case Wildcard(pattern):
            return Like((pattern,))
        case Name() if keyword == "PatientName":
            return Like(matcher.patterns)
        case Range(low, high):
            return Between(low, high)
    return None
