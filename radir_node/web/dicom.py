"""The administrator's page of the exchange with peers, and what may be done there: test, complete, reopen, retry.

Every form leads back to the page, which then says what came of it; radir_node.node.operator writes the audit.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from radir_node.errors import RadirError, UserError
from radir_node.web.access import Admin, our_form
from radir_node.web.dicom_state import OpenStudy
from radir_node.web.dicom_tiles import dicom_tiles
from radir_node.web.forms import do_and_return, said
from radir_node.web.pages import page
from radir_node.web.site import Echo, SiteOf

PATH = "/admin/dicom"

router = APIRouter(prefix=PATH)

Number = Annotated[int | None, Form()]
"""Of one delivery or report; without it all that were given up."""


@router.get("")
def exchange_with_peers(request: Request, site: SiteOf, visitor: Admin) -> Response:
    state = site.use_cases.dicom()
    return page(
        request,
        "dicom.html",
        state=state,
        tiles=dicom_tiles(state),
        echoes=site.echoes,
        now=site.clock(),
        said=said(request),
        waits_for=waits_for,
    )


@router.post("/echo", dependencies=[Depends(our_form)])
def echo(site: SiteOf, visitor: Admin, peer: Annotated[str, Form()]) -> Response:
    """Verify a peer; the page shows the last result of each."""
    if all(known.name != peer for known in site.use_cases.dicom().peers):
        raise UserError("There is no such peer (any more). Reload the page.")
    try:
        seconds = site.use_cases.echo(peer, visitor.name)
        site.echoes[peer] = Echo(site.clock(), 1000 * seconds, "")
    except RadirError as error:
        site.echoes[peer] = Echo(site.clock(), None, str(error))
    return RedirectResponse(PATH, 303)


@router.post("/complete", dependencies=[Depends(our_form)])
def complete(request: Request, site: SiteOf, visitor: Admin, case_id: Annotated[str, Form()]) -> Response:
    """Index an open study as it is."""

    def done() -> str:
        site.use_cases.complete(case_id, visitor.name)
        return f"{case_id} is queued for the index as it is."

    return do_and_return(request, PATH, done)


@router.post("/reopen", dependencies=[Depends(our_form)])
def reopen(request: Request, site: SiteOf, visitor: Admin, case_id: Annotated[str, Form()]) -> Response:
    """Let a finished study settle anew."""

    def done() -> str:
        site.use_cases.reopen(case_id, visitor.name)
        return f"{case_id} is open again."

    return do_and_return(request, PATH, done)


@router.post("/deliveries/retry", dependencies=[Depends(our_form)])
def retry_deliveries(request: Request, site: SiteOf, visitor: Admin, number: Number = None) -> Response:
    """Send what was given up after all."""

    def done() -> str:
        return _revived(site.use_cases.retry_deliveries(_named(number), visitor.name), "deliveries")

    return do_and_return(request, PATH, done)


@router.post("/reports/retry", dependencies=[Depends(our_form)])
def retry_reports(request: Request, site: SiteOf, visitor: Admin, number: Number = None) -> Response:
    """Bring storage commitment reports that were given up to their peers after all."""

    def done() -> str:
        return _revived(site.use_cases.retry_reports(_named(number), visitor.name), "reports")

    return do_and_return(request, PATH, done)


def waits_for(study: OpenStudy) -> str:
    """Say in words what keeps a study open."""
    if study.in_progress:
        return "the modality still works on it"
    if study.missing:
        return f"{study.missing} announced instance{'s' if study.missing > 1 else ''}"
    if study.expected is not None and study.expected > study.instances:
        return f"{study.expected - study.instances} more at the PACS"
    return "its quiet time"


def _named(number: int | None) -> list[int] | None:
    return None if number is None else [number]


def _revived(count: int, what: str) -> str:
    return f"{count} {what} are tried again." if count else f"None of these {what} was given up any more."
