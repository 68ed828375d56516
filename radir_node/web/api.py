"""For programs: similar cases as JSON for viewers, and what monitoring asks (/-/health, /metrics: no login)."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from radir_node.domain.match import Match, shown_age
from radir_node.errors import UserError
from radir_node.web.access import Viewer
from radir_node.web.arrival import find, launch_target
from radir_node.web.choice import query_of, read_choice
from radir_node.web.site import SiteOf

router = APIRouter()


@router.get("/api/similar")
def similar(request: Request, site: SiteOf, visitor: Viewer) -> JSONResponse:
    """Rank the cases like a study, named as in a launch URL; anatomy, k and filters as on the results page.

    A viewer gets what the pages show: case_id, year, age as text. Only an administrator, who has to find the study in
    the archive, also gets each match's study_instance_uid.
    """
    target = launch_target(request.query_params)
    if not target.names_study:
        raise UserError("studyUID or accessionNumber is needed")
    query = query_of(find(site, target), read_choice(request.query_params, site.usual_k))
    answer = site.use_cases.similar(query, visitor.name)
    return JSONResponse(
        {
            "anatomy": answer.anatomy_used,
            "modality": answer.modality.value,
            "model": answer.model_id,
            "snapshot": answer.snapshot_id,
            "reference_size": answer.reference_size,
            "eligible": answer.eligible,
            "matches": [_match(match, with_uid=visitor.is_admin) for match in answer.matches],
        }
    )


@router.get("/-/health")
def alive(site: SiteOf) -> JSONResponse:
    """Say 200 while every collaborator answers, 503 while one does not."""
    checks = dict(site.use_cases.ready())
    ready = all(checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


@router.get("/metrics")
def metrics(site: SiteOf) -> Response:
    return Response(site.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)


def _match(match: Match, *, with_uid: bool) -> dict[str, object]:
    shown = {
        "rank": match.rank,
        "score": match.score,
        "case_id": match.case_id,
        "modality": match.modality.value,
        "year": match.study_date.year if match.study_date else None,
        "age": shown_age(match.age_years),
        "sex": match.sex,
        "findings": list(match.findings),
        "shared_findings": list(match.shared_findings),
        "sentences": list(match.sentences),
        "report_note": match.report_note,
        "completion": match.completion.value,
    }
    return {**shown, "study_instance_uid": match.study_instance_uid} if with_uid else shown
