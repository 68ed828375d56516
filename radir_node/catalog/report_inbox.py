"""Messages that bring reports, durable before they are acknowledged; and those that wait, are in doubt or unreadable.

    (received) -> waiting -> linked        its studies are here, and are the patient's
                          -> pending       no study of it is here yet
                          -> quarantined   the studies are another patient's
    (unreadable) -> dead                   kept as it came
    an operator: dead, quarantined -> waiting or discarded; pending -> discarded

Called by the intake of every channel, by the command line and by the pages.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import procrastinate
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.database import Database
from radir_node.catalog.tables import report_message
from radir_node.domain.received_report import Channel, ReceivedReport, Submission


class MessageState(StrEnum):
    WAITING = "waiting"
    PENDING = "pending"
    LINKED = "linked"
    QUARANTINED = "quarantined"
    DEAD = "dead"
    DISCARDED = "discarded"


TROUBLE = (MessageState.DEAD, MessageState.QUARANTINED, MessageState.PENDING)
"""What people look at, in this order."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be read, as it came."""

    id: int
    channel: Channel
    source: str
    payload: bytes


@dataclass(frozen=True)
class ReportInbox:
    """One object per process; thread-safe."""

    database: Database
    job_app: procrastinate.App
    keep_payloads: bool = False
    """Keep every message as it came; those that cannot be read are kept either way."""

    def accept(self, submissions: Sequence[Submission]) -> None:
        """Make messages durable, in one transaction, and have them linked. The same message again changes nothing.

        Raises DatabaseDown or StorageFull: nothing was written, and nothing may be acknowledged.
        """
        with self.database.begin() as connection:
            self._insert(connection, [self._row(submission) for submission in submissions])

    def troubled(self, limit: int, states: Collection[MessageState] = TROUBLE) -> Sequence[Mapping[str, Any]]:
        """Return the messages in these states without their text, unreadable ones first, then newest first."""
        row = report_message.c
        order = sa.case({state: place for place, state in enumerate(TROUBLE)}, value=row.state)
        columns = (row.id, row.channel, row.source, row.state, row.status, row.reason, row.received_at)
        chosen = sa.select(*columns).where(row.state.in_(states)).order_by(order, row.id.desc()).limit(limit)
        with self.database.begin() as connection:
            return [dict(found) for found in connection.execute(chosen).mappings()]

    def counts(self) -> Mapping[MessageState, int]:
        """Return how many messages are in each state."""
        counted = sa.select(report_message.c.state, sa.func.count()).group_by(report_message.c.state)
        with self.database.begin() as connection:
            found = {MessageState(state): n for state, n in connection.execute(counted)}
        return {state: found.get(state, 0) for state in MessageState}

    def oldest_waiting_seconds(self) -> float | None:
        """Return the age of the message that waits longest to be linked; None when none does."""
        age = sa.func.extract("epoch", sa.func.now() - sa.func.min(report_message.c.received_at))
        waiting = sa.select(age).where(report_message.c.state == MessageState.WAITING)
        with self.database.begin() as connection:
            found = connection.execute(waiting).scalar_one()
        return None if found is None else float(found)

    def dead_letters(self, ids: Sequence[int] | None = None) -> Sequence[DeadLetter]:
        """Return messages that could not be read, those named or all, oldest first."""
        row = report_message.c
        chosen = sa.select(row.id, row.channel, row.source, row.payload).where(_among(MessageState.DEAD, ids=ids))
        with self.database.begin() as connection:
            found = connection.execute(chosen.order_by(row.id)).all()
        return [DeadLetter(one.id, Channel(one.channel), one.source, one.payload) for one in found]

    def reread(self, letter: DeadLetter, submissions: Sequence[Submission]) -> None:
        """A dead letter can be read after all: it becomes these messages, which come at the time when it came."""
        dead = _among(MessageState.DEAD, ids=[letter.id])
        with self.database.begin() as connection:
            gone = sa.delete(report_message).where(dead).returning(report_message.c.received_at)
            came = connection.execute(gone).scalar_one_or_none()
            if came is not None:
                self._insert(connection, [self._row(one) | {"received_at": came} for one in submissions])

    def retry(self, ids: Sequence[int] | None = None) -> int:
        """Try again to link what is quarantined or pending, those named or all; return how many."""
        doubtful = _among(MessageState.QUARANTINED, MessageState.PENDING, ids=ids)
        return self._change(sa.update(report_message).where(doubtful).values(state=MessageState.WAITING, reason=""))

    def discard(self, ids: Sequence[int]) -> int:
        """Give up what is in trouble: its text and payload are removed, that it came stays; return how many."""
        nothing: dict[str, Any] = {"text": "", "payload": None, "identifiers": [], "state": MessageState.DISCARDED}
        return self._change(sa.update(report_message).where(_among(*TROUBLE, ids=ids)).values(nothing))

    def adopt(self) -> bool:
        """Defer the linking of what waits without a job, whatever became of that; say whether there was anything."""
        waits = sa.select(sa.exists().where(report_message.c.state == MessageState.WAITING))
        with self.database.begin() as connection:
            return bool(connection.execute(waits).scalar_one()) and jobs.defer_once(self.job_app, connection, jobs.LINK)

    def _change(self, statement: sa.Update) -> int:
        with self.database.begin() as connection:
            changed = connection.execute(statement).rowcount
            if changed:
                jobs.defer_once(self.job_app, connection, jobs.LINK)
        return changed

    def _insert(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        fresh = _not_known(connection, rows)
        if fresh:
            connection.execute(sa.insert(report_message), fresh)
            jobs.defer_once(self.job_app, connection, jobs.LINK)

    def _row(self, submission: Submission) -> dict[str, Any]:
        read = submission.report
        keeps = self.keep_payloads or read is None
        return {
            "channel": submission.channel,
            "source": submission.source or submission.channel,
            "sha256": hashlib.sha256(submission.payload).hexdigest(),
            "state": MessageState.DEAD if read is None else MessageState.WAITING,
            "reason": submission.reason,
            "payload": submission.payload if keeps else None,
            **_read(read),
        }


def _read(report: ReceivedReport | None) -> dict[str, Any]:
    texts = ("report_key", "status", "text", "title", "language", "patient_id", "issuer_of_patient_id")
    lists = ("accession_numbers", "study_instance_uids", "identifiers")
    return {
        **{name: getattr(report, name, "") for name in texts},
        **{name: list(getattr(report, name, ())) for name in lists},
        "effective_at": getattr(report, "effective_at", None),
    }


def _among(*states: MessageState, ids: Sequence[int] | None) -> sa.ColumnElement[bool]:
    chosen: sa.ColumnElement[bool] = report_message.c.state.in_(states)
    return chosen if ids is None else chosen & report_message.c.id.in_(ids)


def _not_known(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what came before, byte by byte.

    A message that tells its time is one event however often it is sent. One that does not (a PUT of the same text)
    means what it says each time, unless it repeats the newest version of its report.
    """
    row = report_message.c
    sent = row.sha256.in_({one["sha256"] for one in rows})
    earlier = sa.select(row.source, row.report_key, row.sha256).where(sent, row.effective_at.is_not(None))
    known = {tuple(found) for found in connection.execute(earlier)}
    newest = {_report(one): _newest(connection, one) for one in rows if not one["effective_at"]}
    fresh = []
    for one in rows:
        event = (*_report(one), one["sha256"])
        if event not in known and newest.get(_report(one)) != one["sha256"]:
            fresh.append(one)
        if one["effective_at"]:
            known.add(event)
        else:
            newest[_report(one)] = one["sha256"]
    return fresh


def _report(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["source"], row["report_key"]


def _newest(connection: sa.Connection, one: Mapping[str, Any]) -> str | None:
    row = report_message.c
    versions = sa.select(row.sha256).where(row.source == one["source"], row.report_key == one["report_key"])
    return connection.execute(versions.order_by(row.id.desc()).limit(1)).scalar_one_or_none()
