"""Link received reports to their studies and tag them; tag all again when the parser changes. Called by worker jobs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from radir_node.domain.report import ParsedReport
from radir_node.reports.parser import LANGUAGE, PARSER_VERSION, parse_report

if TYPE_CHECKING:
    from radir_node.catalog.report_linking import ReportLinking

log = structlog.get_logger()


@dataclass(frozen=True)
class ReportReader:
    """What the jobs about reports do."""

    linking: "ReportLinking"

    def link(self) -> None:
        """Link every message that waits, those that come meanwhile too. Raises DatabaseDown."""
        linked = 0
        while done := self.linking.link(read_report):
            linked += done
        if linked:
            log.info("reports_linked", messages=linked)

    def reparse(self) -> None:
        """Read every report again that another version of the parser has read. Raises DatabaseDown."""
        reparsed = 0
        while done := self.linking.reparse(PARSER_VERSION, read_report):
            reparsed += done
        if reparsed:
            log.info("reports_parsed_again", reports=reparsed, parser_version=PARSER_VERSION)


def read_report(text: str, declared_language: str = "") -> ParsedReport:
    """Parse a report in the language that its source declares; no tags and no language where there is no lexicon."""
    language = declared_language.lower().partition("-")[0] or LANGUAGE
    try:
        return parse_report(text, language)
    except FileNotFoundError:
        return ParsedReport((), "", PARSER_VERSION)
