"""Log lines: JSON on standard error, one canonical line per unit of work, never an identifier. Set up by every verb."""

import logging
import sys

import structlog


def configure(level: str) -> None:
    """Send structlog events to standard error as JSON, and keep libraries to warnings without tracebacks of data."""
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
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s %(levelname)s")
