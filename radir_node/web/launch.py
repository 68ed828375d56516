"""Ways in: the launch URLs of viewers and PACS, the start page and its search."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from radir_node.errors import UnknownStudy, UserError
from radir_node.web.access import LoginNeeded, Viewer, VisitorIfAny, our_form
from radir_node.web.arrival import UID, arrive, launch_target
from radir_node.web.login_state import Target
from radir_node.web.pages import page
from radir_node.web.site import Site, SiteOf

router = APIRouter()

RECENT = 24


@router.get("/launch")
def launch(request: Request, site: SiteOf, visitor: VisitorIfAny) -> Response:
    """Open a study by studyUID (or study, StudyInstanceUID) or accessionNumber."""
    target = launch_target(request.query_params)
    if not target.names_study:
        raise UserError("The launch URL names no study: it needs studyUID or accessionNumber.")
    if visitor is None:
        raise LoginNeeded(target)
    return arrive(site, target)


@router.get("/IHEInvokeImageDisplay")
def invoke_image_display(request: Request, site: SiteOf, visitor: VisitorIfAny) -> Response:
    """Answer the Invoke Image Display request of IHE RAD-106 for requestType=STUDY."""
    request_type = request.query_params.get("requestType", "")
    if request_type.upper() != "STUDY":
        raise UserError("Only requestType=STUDY is supported by this node.")
    return launch(request, site, visitor)


@router.get("/")
def start(request: Request, site: SiteOf, visitor: Viewer) -> Response:
    return _start_page(request, site, line="", status=200)


@router.post("/find", dependencies=[Depends(our_form)])
def search(request: Request, site: SiteOf, visitor: Viewer, identifier: Annotated[str, Form()] = "") -> Response:
    """Open a study by what was typed: a Study Instance UID or an Accession Number, in the body and never in a URL."""
    typed = identifier.strip()[:64]
    if not typed:
        return _start_page(request, site, line="Type a study UID or an accession number.", status=400)
    as_uid = (typed,) if UID.fullmatch(typed) else ()
    try:
        return arrive(site, Target(study_uids=as_uid, accession=typed))
    except UnknownStudy as error:
        return _start_page(request, site, line=str(error), status=404)


def _start_page(request: Request, site: Site, *, line: str, status: int) -> Response:
    studies = [(site.tokens.seal(card.case_id), card) for card in site.use_cases.recent(RECENT)]
    return page(request, "start.html", status=status, studies=studies, line=line)
