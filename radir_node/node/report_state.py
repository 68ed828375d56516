"""Reports that come by themselves as the page, the metrics and `radir reports` show them."""

from radir_node.node.node import Node
from radir_node.node.run_files import endpoint
from radir_node.reports.parser import PARSER_VERSION
from radir_node.web.report_state import ReportMessage, ReportState

LISTED = 100


def report_state(node: Node) -> ReportState:
    """Read everything anew. Raises DatabaseDown."""
    inbox, standing = node.report_inbox, node.report_linking.standing(PARSER_VERSION)
    return ReportState(
        listening=_listening(node),
        sources=tuple(sorted(node.settings.reports.sources)),
        messages={state.value: n for state, n in inbox.counts().items()},
        oldest_waiting_seconds=inbox.oldest_waiting_seconds(),
        reports=standing.reports,
        not_parsed=standing.not_parsed,
        outdated=standing.outdated,
        parser_version=PARSER_VERSION,
        troubled=tuple(ReportMessage(**row) for row in inbox.troubled(LISTED)),
    )


def _listening(node: Node) -> str:
    at = endpoint(node.root, "hl7")
    return f"{at[0]}:{at[1]}{' (TLS)' if node.settings.hl7.tls else ''}" if at else ""
