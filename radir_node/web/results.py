"""The pages of one study: its ranked similar cases, two studies side by side, key images and the SR to take away."""

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from radir_node.domain.study import StudyState
from radir_node.errors import UnknownStudy
from radir_node.web.access import Viewer
from radir_node.web.choice import query_of, read_choice
from radir_node.web.pages import STATIC, page
from radir_node.web.ports import StudyCard
from radir_node.web.ranking import Ranking, chips_for, rank
from radir_node.web.site import Site, SiteOf

router = APIRouter(prefix="/s/{token}")

NO_PICTURE = STATIC / "no-picture.svg"
IMAGE_CACHE = "private, max-age=600"
STATES_THAT_PASS = (StudyState.RECEIVING, StudyState.QUIET, StudyState.QUEUED, StudyState.ENCODING)


@router.get("")
def results(request: Request, site: SiteOf, visitor: Viewer, token: str) -> Response:
    """Show the cases like a study; while it is not searchable, show why and look again."""
    card = _study(site, token)
    if not card.searchable:
        return page(request, "waiting.html", token=token, card=card, passing=card.state in STATES_THAT_PASS)
    choice = read_choice(request.query_params, site.usual_k)
    similar = site.use_cases.similar(query_of(card, choice), visitor.name)
    return page(
        request,
        "results.html",
        token=token,
        card=card,
        choice=choice,
        chips=chips_for(card, similar.anatomy_used),
        ranking=rank(similar, site.use_cases.scale(similar), site.tokens),
        sentences=site.use_cases.report_sentences(card.study_instance_uid, similar.anatomy_used),
    )


@router.get("/compare/{case}")
def compare(request: Request, site: SiteOf, visitor: Viewer, token: str, case: str) -> Response:
    """Show a study beside one of its ranked cases. A case outside the ranking is not shown."""
    card, choice = _study(site, token), read_choice(request.query_params, site.usual_k)
    similar = site.use_cases.similar(query_of(card, choice), visitor.name)
    ranking = rank(similar, site.use_cases.scale(similar), site.tokens)
    position = _position(ranking, site.tokens.open(case))
    return page(
        request,
        "compare.html",
        token=token,
        card=card,
        choice=choice,
        ranking=ranking,
        position=position,
        case=ranking.cases[position],
        query_sentences=site.use_cases.report_sentences(card.study_instance_uid, similar.anatomy_used),
    )


@router.get("/image")
def image(site: SiteOf, visitor: Viewer, token: str) -> Response:
    """Answer the key image as PNG, or a drawing that says there is none."""
    png = site.use_cases.preview(_study(site, token).study_instance_uid)
    if png is None:
        return FileResponse(NO_PICTURE, media_type="image/svg+xml")
    return Response(png, media_type="image/png", headers={"Cache-Control": IMAGE_CACHE})


@router.get("/sr")
def structured_report(request: Request, site: SiteOf, visitor: Viewer, token: str) -> Response:
    """Answer the ranking as a DICOM Structured Report."""
    card, choice = _study(site, token), read_choice(request.query_params, site.usual_k)
    disposition = f'attachment; filename="similar-cases-{card.case_id}.dcm"'
    report = site.use_cases.sr(query_of(card, choice), visitor.name)
    return Response(report, media_type="application/dicom", headers={"Content-Disposition": disposition})


def _study(site: Site, token: str) -> StudyCard:
    case_id = site.tokens.open(token)
    if case_id is None:
        raise HTTPException(404)
    card = site.use_cases.study(case_id)
    if card is None:
        raise UnknownStudy("This study is no longer on the node.")
    return card


def _position(ranking: Ranking, case_id: str | None) -> int:
    for position, case in enumerate(ranking.cases):
        if case.match.case_id == case_id:
            return position
    raise UnknownStudy("That case is not in this ranking (any more). Go back to the results.")
