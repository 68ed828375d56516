"""The administrator's page of the report channels, and what may be done there: try messages again, discard them.

Nothing is discarded by one click: a page of its own asks first. radir_node.node.operator writes the audit.
"""

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response

from radir_node.errors import UserError
from radir_node.web.access import Admin, our_form
from radir_node.web.forms import do_and_return, said
from radir_node.web.pages import page
from radir_node.web.report_state import ReportState
from radir_node.web.report_tiles import report_tiles
from radir_node.web.site import Site, SiteOf

PATH = "/admin/reports"
TROUBLE = ("dead", "quarantined", "pending")
MEANINGS = {
    "linked": "belong to a study that is here",
    "waiting": "to be linked by the worker in a moment",
    "pending": "no study of them is here yet",
    "quarantined": "the study that they name is another patient's",
    "dead": "cannot be read",
    "discarded": "removed by an administrator",
}
"""State of a message -> what it means to people."""

router = APIRouter(prefix=PATH)

Numbers = Annotated[list[int], Form(default_factory=list)]
"""Of the messages that a form lists."""


@router.get("")
def report_channels(request: Request, site: SiteOf, visitor: Admin) -> Response:
    state = site.use_cases.reports()
    return page(
        request,
        "reports.html",
        state=state,
        tiles=report_tiles(state),
        troubled={kind: [row for row in state.troubled if row.state == kind] for kind in TROUBLE},
        in_trouble=_in_trouble(state),
        became=[(kind, state.messages.get(kind, 0), meaning) for kind, meaning in MEANINGS.items()],
        now=_now(site),
        said=said(request),
    )


@router.post("/replay", dependencies=[Depends(our_form)])
def replay(request: Request, site: SiteOf, visitor: Admin, number: Numbers) -> Response:
    """Try messages again: those that are named, all that are in trouble where none is."""

    def done() -> str:
        tried = len(number) or _in_trouble(site.use_cases.reports())
        helped = site.use_cases.replay_reports(number or None, visitor.name)
        return replayed(tried, helped)

    return do_and_return(request, PATH, done)


@router.get("/discard")
def ask_before_discarding(
    request: Request, site: SiteOf, visitor: Admin, number: Annotated[list[int], Query(default_factory=list)]
) -> Response:
    """Show what would be discarded, and ask."""
    rows = [row for row in site.use_cases.reports().troubled if row.id in number]
    if not rows:
        raise UserError("None of these messages is in trouble any more. Go back and reload the page.")
    return page(request, "discard.html", rows=rows, now=_now(site))


@router.post("/discard", dependencies=[Depends(our_form)])
def discard(request: Request, site: SiteOf, visitor: Admin, number: Numbers) -> Response:
    """Remove the content of the messages that were shown."""

    def done() -> str:
        count = site.use_cases.discard_reports(number, visitor.name)
        return f"{count} discarded." if count else "None of these messages was in trouble any more."

    return do_and_return(request, PATH, done)


def replayed(tried: int, helped: int) -> str:
    """Say what came of trying again."""
    if not tried:
        return "No message is in trouble any more."
    still = max(0, tried - helped)
    return f"{tried} tried again, {still} still cannot be read." if still else f"{tried} tried again."


def _in_trouble(state: ReportState) -> int:
    return sum(state.messages.get(kind, 0) for kind in TROUBLE)


def _now(site: Site) -> dt.datetime:
    return dt.datetime.fromtimestamp(site.clock(), dt.UTC)
