"""Reports that come by themselves as the page, the metrics and `radir reports` show them."""

import threading
import time

from radir_node.catalog.report_inbox import MessageState
from radir_node.catalog.report_linking import Standing
from radir_node.node.node import Node
from radir_node.node.run_files import endpoint, is_running
from radir_node.reports.parser import PARSER_VERSION
from radir_node.web.report_state import ReportMessage, ReportState

LISTED = 100
"""Of each kind of trouble."""
KEPT_SECONDS = 60.0
"""How long counts stand that are as large as the archive."""
_ARCHIVE = (MessageState.LINKED, MessageState.DISCARDED)
_SMALL = tuple(state for state in MessageState if state not in _ARCHIVE)


class ReportChannels:
    """Trouble is counted on every call, the archive once a minute."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._counted: tuple[float, Standing, dict[str, int]] | None = None

    def now(self) -> ReportState:
        """Raises DatabaseDown."""
        inbox = self._node.report_inbox
        standing, archived = self._archive()
        return ReportState(
            listening=self._listening(),
            sources=tuple(sorted(self._node.settings.reports.sources)),
            messages={state.value: n for state, n in inbox.counts(_SMALL).items()} | archived,
            oldest_waiting_seconds=inbox.oldest_waiting_seconds(),
            reports=standing.reports,
            not_parsed=standing.not_parsed,
            outdated=standing.outdated,
            parser_version=PARSER_VERSION,
            troubled=tuple(ReportMessage(**row) for row in inbox.troubled(LISTED)),
        )

    def _archive(self) -> tuple[Standing, dict[str, int]]:
        with self._lock:
            if self._counted is None or time.monotonic() - self._counted[0] > KEPT_SECONDS:
                standing = self._node.report_linking.standing(PARSER_VERSION)
                archived = {state.value: n for state, n in self._node.report_inbox.counts(_ARCHIVE).items()}
                self._counted = (time.monotonic(), standing, archived)
            return self._counted[1:]

    def _listening(self) -> str:
        at = endpoint(self._node.root, "hl7") if is_running(self._node.root, "hl7") else None
        return f"{at[0]}:{at[1]}{' (TLS)' if self._node.settings.hl7.tls else ''}" if at else ""
