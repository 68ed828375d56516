"""What every route needs, made once by app.create_app and reached through the request."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from jinja2 import Environment

from radir_node.web.login_state import AwaitedTargets, EndedSessions, LoginGuard, ProvenPasswords
from radir_node.web.metrics import WebMetrics
from radir_node.web.ports import UseCases
from radir_node.web.tokens import StudyTokens


@dataclass(frozen=True, slots=True)
class Echo:
    """The last C-ECHO that an administrator sent to a peer."""

    at: float
    """Site.clock."""
    milliseconds: float | None
    """None when the peer did not answer."""
    line: str
    """Why it did not."""


@dataclass(frozen=True, slots=True)
class Site:
    """The node behind the pages, and what the pages themselves keep."""

    use_cases: UseCases
    tokens: StudyTokens
    templates: Environment
    metrics: WebMetrics
    session_seconds: float
    usual_k: int
    """Cases per answer where the visitor named no number."""
    guard: LoginGuard = field(default_factory=LoginGuard)
    proofs: ProvenPasswords = field(default_factory=ProvenPasswords)
    awaited: AwaitedTargets = field(default_factory=AwaitedTargets)
    ended: EndedSessions = field(default_factory=EndedSessions)
    echoes: dict[str, Echo] = field(default_factory=dict)
    """By name of the peer; only peers of the configuration are noted."""
    clock: Callable[[], float] = time.time


def site_of(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


SiteOf = Annotated[Site, Depends(site_of)]
