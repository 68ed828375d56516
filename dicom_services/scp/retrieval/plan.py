"""What one retrieve is to deliver: stored objects, objects whose files are gone, and the report of similar cases.

Called by retrieve.py before the first sub-operation.
"""

from dataclasses import dataclass, field

import structlog

from dicom_services.objects.stored_object import describe
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.ports import Level, QueryPort, RetrieveRequest, SimilarCasesPort, StoredObject, VirtualSeries
from dicom_services.scp.query.find import IDENTIFIER_MISMATCH, UNABLE_TO_PROCESS
from dicom_services.scp.query.identifier import InvalidIdentifier, parse_retrieve
from dicom_services.scp.query.identifier_reader import MalformedIdentifier, read_identifier
from dicom_services.scp.query.matches import virtual_series
from radir_node.errors import RadirError, TransientError

log = structlog.get_logger()

MATCHES_UNKNOWN = 0xA701

MAX_SUBOPERATIONS = 65535
"""Number of ... Sub-operations elements are US."""


@dataclass(slots=True)
class Plan:
    """Everything that matched, by where it comes from."""

    held: list[StoredObject]
    """On disk."""
    gone: list[StoredObject] = field(default_factory=list)
    """In the catalogue, and no longer on disk."""
    unmade: list[str] = field(default_factory=list)
    """SOP Instance UIDs of reports that cannot be made (any more); they count as failed sub-operations."""

    def __len__(self) -> int:
        return len(self.held) + len(self.gone) + len(self.unmade)


def plan(exchange: Exchange, query: QueryPort, similar: SimilarCasesPort) -> Plan | None:
    """Find what to deliver; on failure answer the peer and return None."""
    try:
        identifier = read_identifier(exchange.dataset or b"", exchange.transfer_syntax)
        request = parse_retrieve(identifier, exchange.is_patient_root, exchange.relational)
        found = _found(request, query)
        _add_reports(found, request, query, similar)
    except MalformedIdentifier as error:
        exchange.respond(UNABLE_TO_PROCESS, comment=str(error))
    except InvalidIdentifier as error:
        exchange.respond(IDENTIFIER_MISMATCH, comment=str(error))
    except TransientError as error:
        log.warning("retrieve_failed", error=type(error).__name__)
        exchange.respond(MATCHES_UNKNOWN, comment="the catalogue does not answer")
    else:
        if len(found) <= MAX_SUBOPERATIONS:
            return found
        exchange.respond(UNABLE_TO_PROCESS, comment=f"more than {MAX_SUBOPERATIONS} objects match")
    return None


def _found(request: RetrieveRequest, query: QueryPort) -> Plan:
    found = Plan([])
    for item in query.instances(request):
        (found.held if item.path.is_file() else found.gone).append(item)
    return found


def _add_reports(found: Plan, request: RetrieveRequest, query: QueryPort, similar: SimilarCasesPort) -> None:
    """Add the reports of similar cases that the request covers, each once; one that came back is held already."""
    held = {item.sop_instance_uid for item in (*found.held, *found.gone)}
    covered = {
        virtual.sop_instance_uid: virtual
        for study, virtual in virtual_series(similar, request.study_instance_uids).items()
        if request.level is Level.STUDY or virtual.series_instance_uid in request.series_instance_uids
        if _is_of_patient(request, study, query)
    }
    named = request.sop_instance_uids if request.level is Level.IMAGE else covered
    for uid in dict.fromkeys(named):
        if uid in held:
            continue
        report = _made(covered[uid], similar) if uid in covered else None
        if request.level is Level.IMAGE and (report is None or report.sop_instance_uid != uid):
            report = _issued(uid, request, query, similar)
        if report is not None:
            found.held.append(report)
        elif covered:  # listed once, never made, and the index has moved on: no success that delivers nothing
            found.unmade.append(uid)


def _is_of_patient(request: RetrieveRequest, study: str, query: QueryPort) -> bool:
    """Say whether the study is of the Patient ID in the request, where it names one; else nothing of it matches."""
    of_patient = RetrieveRequest(Level.STUDY, request.patient_id, (study,))
    return not request.patient_id or bool(query.instances(of_patient))


def _made(virtual: VirtualSeries, similar: SimilarCasesPort) -> StoredObject | None:
    try:
        return describe(similar.render(virtual.study_instance_uid))
    except RadirError as error:
        log.warning("similar_cases_not_rendered", error=type(error).__name__)
        return None


def _issued(uid: str, request: RetrieveRequest, query: QueryPort, similar: SimilarCasesPort) -> StoredObject | None:
    """Return the very report that an earlier query listed, under the study, series and patient of the request."""
    report = similar.issued(uid)
    if (
        report is None
        or report.study_instance_uid not in (request.study_instance_uids or (report.study_instance_uid,))
        or report.series_instance_uid not in (request.series_instance_uids or (report.series_instance_uid,))
        or not _is_of_patient(request, report.study_instance_uid, query)
    ):
        return None
    return report
