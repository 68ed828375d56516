"""What people may do to the exchange with peers: the one way for pages and command line, and each act is in the audit.

Reads are free; see radir_node.catalog.exchange.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from radir_node.catalog.operator_actions import Action, OperatorActions
from radir_node.catalog.report_inbox import KeptMessage
from radir_node.errors import RadirError, UnknownStudy, UnreadableReport, UserError
from radir_node.node.node import Node
from radir_node.node.peers import echo_seconds
from radir_node.node.report_sources import submissions

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Operator:
    """Somebody who acts. Make one for each person and deed."""

    node: Node
    actor: str

    def complete(self, study_instance_uid: str) -> None:
        """Index an open study as it is. Raises UnknownStudy, or UserError when it is not open."""
        study_id = self._study(study_instance_uid)
        if not self.node.completion.force(study_instance_uid):
            raise UserError("the study is not open: it is complete already; `radir reindex` indexes it again")
        self._note(Action.COMPLETE, "queued for the index", study_id)

    def reopen(self, study_instance_uid: str) -> None:
        """Let a finished study settle anew. Raises UnknownStudy, or UserError when it is not finished."""
        study_id = self._study(study_instance_uid)
        if not self.node.completion.reopen(study_instance_uid):
            raise UserError("the study is not finished: it is waited for, or on its way to the index")
        self._note(Action.REOPEN, "settles anew", study_id)

    def retry_deliveries(self, ids: Sequence[int] | None = None) -> int:
        """Send objects that were given up after all, all or those named; return how many."""
        revived = self.node.deliveries.retry(ids)
        self._note(Action.RETRY_DELIVERIES, f"{revived} wait again")
        return revived

    def retry_reports(self, ids: Sequence[int] | None = None) -> int:
        """Deliver commitment reports that were given up after all, all or those named; return how many."""
        revived = self.node.commitments.retry(ids)
        self._note(Action.RETRY_REPORTS, f"{revived} wait again")
        return revived

    def replay_reports(self, ids: Sequence[int] | None = None) -> int:
        """Read dead letters again, link what is quarantined or pending anew: all or those named; return how many."""
        inbox = self.node.report_inbox
        again = sum(map(self._reread, inbox.dead(ids))) + inbox.retry(ids)
        self._note(Action.REPLAY_REPORTS, f"{again} are linked anew{_numbers(ids or ())}")
        return again

    def discard_reports(self, ids: Sequence[int]) -> int:
        """Remove the content of messages in trouble for good; return how many."""
        gone = self.node.report_inbox.discard(ids)
        self._note(Action.DISCARD_REPORTS, f"{len(gone)} are discarded{_numbers(gone)}")
        return len(gone)

    def show_report(self, number: int) -> KeptMessage:
        """Return a report message with its content. Raises UserError when there is none of this number."""
        message = self.node.report_inbox.kept(number)
        if message is None:
            raise UserError(f"there is no message {number}")
        self._note(Action.SHOW_REPORT, f"message {number} was shown")
        return message

    def _reread(self, number: int) -> bool:
        inbox, letter = self.node.report_inbox, self.node.report_inbox.kept(number)
        if letter is None or letter.payload is None:
            return False
        try:
            said = submissions(letter.channel, letter.payload, letter.source, self.node.settings.reports)
        except UnreadableReport:
            return False
        return inbox.reread(letter, said)

    def echo(self, peer: str) -> float:
        """Verify a peer of the configuration; return the seconds it took. Raises as echo_seconds."""
        try:
            seconds = echo_seconds(self.node.settings.dicom, peer)
        except RadirError as error:
            self._note(Action.ECHO, str(error), peer=peer)
            raise
        self._note(Action.ECHO, f"answered in {1000 * seconds:.0f} ms", peer=peer)
        return seconds

    def _study(self, study_instance_uid: str) -> int:
        case = self.node.cases.by_uid(study_instance_uid)
        if case is None:
            raise UnknownStudy("unknown study: the catalogue holds no study with this Study Instance UID")
        return case.id

    def _note(self, action: Action, outcome: str, study_id: int | None = None, peer: str = "") -> None:
        OperatorActions(self.node.database).note(self.actor, action, outcome, study_id=study_id, peer=peer)


def _numbers(ids: Sequence[int]) -> str:
    return f": {', '.join(map(str, ids))}" if ids else ""
