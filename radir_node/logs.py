"""Log lines: JSON on standard error, one canonical line per unit of work, never an identifier. Set up by every verb."""

import logging
import sys
from types import TracebackType

import structlog


class TypesOnly(logging.Formatter):
    """Says which library failed and where, never with what: messages of exceptions quote UIDs and names."""

    def __init__(self) -> None:
        super().__init__("%(name)s %(levelname)s")

    def formatException(  # noqa: N802  # the name is logging's
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """Return the exception's type and the line that raised it."""
        kind, _, at = ei
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        where = f" at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else ""
        return f"{kind.__name__ if kind else 'unknown'}{where}"


def configure(level: str) -> None:
    """Send structlog events to standard error as JSON, and keep libraries to errors without their text."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TypesOnly())
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
