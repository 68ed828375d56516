"""Templates and what they may call. Routes render through `page`, so that a page knows its visitor and form token."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from radir_node.domain.match import shown_age
from radir_node.domain.study import Completion, Evidence, StudyState
from radir_node.web.access import form_token, visitor_if_any
from radir_node.web.site import site_of

HERE = Path(__file__).resolve().parent
STATIC = HERE / "static"

STATE_WORDS = {
    StudyState.RECEIVING: "still arriving",
    StudyState.QUIET: "complete in a moment",
    StudyState.QUEUED: "waiting to be encoded",
    StudyState.ENCODING: "being encoded",
    StudyState.INDEXED: "indexed",
    StudyState.NOT_INDEXABLE: "not indexable",
    StudyState.FAILED: "failed",
}
EVIDENCE_WORDS = {
    Evidence.NONE: "",
    Evidence.IAN: "availability notification",
    Evidence.MPPS: "procedure step completed",
    Evidence.COMMITMENT: "commitment request",
    Evidence.COUNT: "count at the PACS",
    Evidence.TIMER: "quiet time",
    Evidence.FORCE_TIMER: "force timer",
    Evidence.OPERATOR: "administrator",
}
DOUBTS = {
    Completion.UNVERIFIED: "Nothing more arrived for a while; no other system confirmed that this study is complete.",
    Completion.FORCED: "Indexed by the force timer or by an administrator, before it was confirmed to be complete.",
}
"""Why a study counts as unverified: its completeness rests on a timer or on an order alone."""
CHANNEL_WORDS = {"hl7": "HL7", "fhir": "FHIR", "rest": "REST", "bulk": "file"}
"""How a report came."""
SEX_WORDS = {"F": "female", "M": "male", "O": "other"}


def make_templates() -> Environment:
    """Load the templates; everything is escaped, and an undefined name is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        age=age,
        sex=lambda code: SEX_WORDS.get(code, "sex unknown"),
        state=STATE_WORDS.__getitem__,
        evidence=EVIDENCE_WORDS.__getitem__,
        channel=lambda name: CHANNEL_WORDS.get(name, name),
        doubt=lambda completion: DOUBTS.get(completion, ""),
        duration=duration,
    )
    return environment


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> HTMLResponse:
    """Render a template of the templates folder."""
    site = site_of(request)
    html = site.templates.get_template(template).render(
        visitor=visitor_if_any(request, site), form_token=form_token(request), path=request.url.path, **values
    )
    return HTMLResponse(html, status, headers=dict(headers or {}))


def age(years: float | None) -> str:
    """Write an age with its unit: "67 y", "90+ y", "age unknown"."""
    shown = shown_age(years)
    return f"{shown} y" if shown else "age unknown"


def duration(value: float | dt.timedelta | None) -> str:
    """Write a length of time with its largest unit: "41 s", "3 min", "5 h", "12 d"."""
    if value is None:
        return "-"
    seconds = value.total_seconds() if isinstance(value, dt.timedelta) else value
    for unit, size, up_to in (("s", 1, 90), ("min", 60, 90 * 60), ("h", 3600, 48 * 3600)):
        if seconds < up_to:
            return f"{max(0, round(seconds / size))} {unit}"
    return f"{round(seconds / 86400)} d"


def byte_size(count: int) -> str:
    """Write a number of bytes with three digits: "1.43 GB"."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
