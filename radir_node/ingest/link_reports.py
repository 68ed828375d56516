"""Link received reports to their studies and tag them; tag all again when the parser changes. Called by worker jobs."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from radir_node.domain.report import ParsedReport
from radir_node.reports.lexicon import has_lexicon
from radir_node.reports.parser import LANGUAGE, PARSER_VERSION, parse_report

if TYPE_CHECKING:
    from radir_node.catalog.report_linking import ReportLinking

log = structlog.get_logger()

TURN_SECONDS = 10.0
"""A job that has worked so long makes way for others and is followed by another: an archive takes hours."""


@dataclass(frozen=True)
class ReportReader:
    """What the jobs about reports do."""

    linking: "ReportLinking"

    def link(self, again: str) -> None:
        """Link the messages that wait, those that come meanwhile too. again: the task to go on with after a turn.

        Raises DatabaseDown.
        """
        end, linked = time.monotonic() + TURN_SECONDS, 0
        while done := self.linking.link(read_report):
            linked += done
            if time.monotonic() > end:
                self.linking.go_on(again)
                break
        if linked:
            log.info("reports_linked", messages=linked)

    def reparse(self, again: str) -> None:
        """Read the reports again that another version of the parser has read. Otherwise as `link`."""
        end, last = time.monotonic() + TURN_SECONDS, 0
        while last := self.linking.reparse(PARSER_VERSION, read_report, last):
            if time.monotonic() > end:
                self.linking.go_on(again)
                break


def read_report(text: str, declared_language: str = "") -> ParsedReport:
    """Parse a report in the language that its source declares; no tags and no language where there is no lexicon.

    A report on which the parser breaks is as if it were in another language: it must not hold up all others.
    """
    language = declared_language.lower().partition("-")[0] or LANGUAGE
    if not has_lexicon(language):
        return ParsedReport((), "", PARSER_VERSION)
    try:
        return parse_report(text, language)
    except Exception as error:  # noqa: BLE001  # its message may quote the report
        log.error("report_not_parsed", error=type(error).__name__)
        return ParsedReport((), "", PARSER_VERSION)
