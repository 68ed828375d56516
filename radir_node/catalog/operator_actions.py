"""The audit of what people do to the exchange with peers: who, what, on which study or peer, with what outcome.

Written by radir_node.node.operator, the one place through which pages and command line act.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.tables import operator_action, study


class Action(StrEnum):
    COMPLETE = "complete study"
    REOPEN = "reopen study"
    RETRY_DELIVERIES = "retry deliveries"
    RETRY_REPORTS = "retry commitment reports"
    ECHO = "C-ECHO"
    REPLAY_REPORTS = "read reports again"
    DISCARD_REPORTS = "discard reports"
    SHOW_REPORT = "show report message"


@dataclass(frozen=True, slots=True)
class ActionTaken:
    """One row of the audit, as people read it."""

    at: dt.datetime
    actor: str
    """"command line", or "pages:" and the name of the account."""
    action: str
    subject: str
    """Pseudonym of the study, or name of the peer; empty for all of a kind."""
    outcome: str


@dataclass(frozen=True)
class OperatorActions:
    """One object per process; thread-safe."""

    database: Database

    def note(self, actor: str, action: Action, outcome: str, *, study_id: int | None = None, peer: str = "") -> None:
        """Write one row; it stays when the study is removed."""
        values = {"actor": actor, "action": action, "outcome": outcome, "study_id": study_id, "peer": peer}
        with self.database.begin() as connection:
            connection.execute(sa.insert(operator_action).values(**values))

    def recent(self, limit: int) -> Sequence[ActionTaken]:
        """Return the newest rows, newest first."""
        subject = sa.func.coalesce(study.c.case_id, operator_action.c.peer)
        row = operator_action.c
        statement = (
            sa.select(row.at, row.actor, row.action, subject, row.outcome)
            .outerjoin(study, study.c.id == row.study_id)
            .order_by(row.id.desc())
            .limit(limit)
        )
        with self.database.begin() as connection:
            return [ActionTaken(*found) for found in connection.execute(statement)]
