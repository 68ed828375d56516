"""Around every request: security headers, one log line and one measurement, and the last catch. app.py installs it."""

import secrets
import time
import traceback
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radir_node.web.metrics import WebMetrics

log = structlog.get_logger()

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Named in log and metrics; whatever else a client invents must not become a time series each."""

Apology = Callable[[str, Scope], Response]
"""Makes the answer to an unexpected failure from its correlation id."""


def security_headers(frame_ancestors: str) -> dict[str, str]:
    """Allow nothing but our own files; Referrer-Policy keeps even opaque links from other servers."""
    policy = (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; font-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {frame_ancestors}"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }


class Envelope:
    """The outermost ASGI layer. Logs the route template, never the path: a launch URL holds a Study Instance UID."""

    def __init__(self, app: ASGIApp, *, metrics: WebMetrics, headers: dict[str, str], apology: Apology) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = headers
        self._apology = apology

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", "no-store")
                self._note(scope, status, time.perf_counter() - started)
            await send(message)

        try:
            await self._app(scope, receive, send_dressed)
        except Exception as error:  # noqa: BLE001  # the last catch: nobody above would answer
            correlation = _report(error, scope)
            if status == 0:
                await self._apology(correlation, scope)(scope, receive, send_dressed)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log an answer before its first byte goes out: whoever has the answer finds it counted."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = _route(scope)
        self._metrics.answered(method, route, status, seconds)
        log.info("answered", method=method, route=route, status=status, seconds=round(seconds, 4))


def _report(error: Exception, scope: Scope) -> str:
    """Log where an unexpected error was raised, without its message, which may hold identifiers."""
    correlation = secrets.token_hex(4)
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    log.error("unexpected", correlation=correlation, route=_route(scope), error=type(error).__name__, where=where)
    return correlation


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "other")
