"""Messages that bring reports, durable before they are acknowledged; and those that wait, are in doubt or unreadable.

    (received)   -> waiting -> linked        its studies are here, and are the patient's
                            -> pending       no study of it is here yet
                            -> quarantined   the studies are another patient's
    (unreadable) -> dead                     kept as it came
    a study that comes, or an operator: pending, linked, quarantined -> waiting
    an operator: dead -> waiting; dead, quarantined, pending -> discarded

Called by the intake of every channel, by the command line and by the pages.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
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


# Text, as to build these expressions anew for every message takes longer than to run them.
_EARLIER = sa.text("""
    select source, report_key, status, sha256 from report_message
    where sha256 = any(:digests) and effective_at is not null and state <> 'discarded'
""")
_NEWEST = sa.text("""
    select sha256 from report_message
    where source = :source and report_key = :report_key and state <> 'discarded'
    order by source desc, report_key desc, id desc limit 1
""")
_AGAIN = sa.text("""
    update report_message set state = 'waiting', reason = '' where sha256 = any(:digests) and state = 'quarantined'
""")


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message with its content."""

    id: int
    channel: Channel
    source: str
    payload: bytes | None
    """As it came; None where only what was read of it is kept."""
    patient_id: str
    accession_numbers: tuple[str, ...]
    study_instance_uids: tuple[str, ...]
    text: str


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
            self._insert(connection, self._rows(submissions))

    def troubled(self, limit: int, states: Collection[MessageState] = TROUBLE) -> Sequence[Mapping[str, Any]]:
        """Return messages in these states without their content, so many of each, the newest of each first."""
        row = report_message.c
        columns = (row.id, row.channel, row.source, row.state, row.status, row.reason, row.received_at)
        with self.database.begin() as connection:
            return [
                dict(found)
                for state in states
                for found in connection.execute(
                    sa.select(*columns).where(row.state == state).order_by(row.id.desc()).limit(limit)
                ).mappings()
            ]

    def counts(self, states: Collection[MessageState] = tuple(MessageState)) -> Mapping[MessageState, int]:
        """Return how many messages are in each of these states."""
        counted = sa.select(report_message.c.state, sa.func.count()).where(report_message.c.state.in_(states))
        with self.database.begin() as connection:
            found = {
                MessageState(state): n for state, n in connection.execute(counted.group_by(report_message.c.state))
            }
        return {state: found.get(state, 0) for state in states}

    def oldest_waiting_seconds(self) -> float | None:
        """Return the age of the message that waits longest to be linked; None when none does."""
        age = sa.func.extract("epoch", sa.func.now() - sa.func.min(report_message.c.received_at))
        waiting = sa.select(age).where(report_message.c.state == MessageState.WAITING)
        with self.database.begin() as connection:
            found = connection.execute(waiting).scalar_one()
        return None if found is None else float(found)

    def dead(self, ids: Sequence[int] | None = None) -> Sequence[int]:
        """Return the numbers of messages that could not be read, those named or all, oldest first."""
        chosen = sa.select(report_message.c.id).where(_among(MessageState.DEAD, ids=ids)).order_by(report_message.c.id)
        with self.database.begin() as connection:
            return list(connection.execute(chosen).scalars())

    def kept(self, id_: int) -> KeptMessage | None:
        """Return a message with its content; None when there is none of this number."""
        with self.database.begin() as connection:
            found = connection.execute(sa.select(report_message).where(report_message.c.id == id_)).one_or_none()
        if found is None:
            return None
        links = (tuple(found.accession_numbers), tuple(found.study_instance_uids))
        return KeptMessage(
            id_, Channel(found.channel), found.source, found.payload, found.patient_id, *links, found.text
        )

    def reread(self, letter: KeptMessage, submissions: Sequence[Submission]) -> bool:
        """A dead letter can be read after all: it becomes these messages, which come at the time when it came.

        False when it is no dead letter any more.
        """
        dead = _among(MessageState.DEAD, ids=[letter.id])
        with self.database.begin() as connection:
            gone = sa.delete(report_message).where(dead).returning(report_message.c.received_at)
            came = connection.execute(gone).scalar_one_or_none()
            if came is not None:
                self._insert(connection, [row | {"received_at": came} for row in self._rows(submissions)])
        return came is not None

    def retry(self, ids: Sequence[int] | None = None) -> int:
        """Try again to link what is quarantined or pending, those named or all; return how many."""
        doubtful = _among(MessageState.QUARANTINED, MessageState.PENDING, ids=ids)
        with self.database.begin() as connection:
            changed = connection.execute(_again(doubtful)).rowcount
            if changed:
                jobs.defer_once(self.job_app, connection, jobs.LINK)
        return changed

    def discard(self, ids: Sequence[int]) -> Sequence[int]:
        """Give up what is in trouble: only that it came stays, no content and no identifier; return the numbers."""
        nothing = {**_read(None), "payload": None, "state": MessageState.DISCARDED}
        gone = sa.update(report_message).where(_among(*TROUBLE, ids=ids)).values(nothing)
        with self.database.begin() as connection:
            return sorted(connection.execute(gone.returning(report_message.c.id)).scalars())

    def adopt(self) -> bool:
        """Defer the linking of what waits without a job, whatever became of that; say whether there was anything."""
        waits = sa.select(sa.exists().where(report_message.c.state == MessageState.WAITING))
        with self.database.begin() as connection:
            return bool(connection.execute(waits).scalar_one()) and jobs.defer_once(self.job_app, connection, jobs.LINK)

    def _insert(self, connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
        fresh = _not_known(connection, rows)
        if fresh:
            connection.execute(sa.insert(report_message), fresh)
        repeated = 0
        if len(fresh) < len(rows):  # who sends a quarantined message again may have put the other side right
            repeated = connection.execute(_AGAIN, {"digests": _digests(rows)}).rowcount
        if repeated or any(row["state"] == MessageState.WAITING for row in fresh):
            jobs.defer_once(self.job_app, connection, jobs.LINK)

    def _rows(self, submissions: Iterable[Submission]) -> list[dict[str, Any]]:
        """A message is kept once, with the first of its reports."""
        rows: list[dict[str, Any]] = []
        for submission in submissions:
            digest = hashlib.sha256(submission.payload).hexdigest()
            keeps = self.keep_payloads or submission.report is None
            is_first = not rows or rows[-1]["sha256"] != digest
            rows.append(
                {
                    "channel": submission.channel,
                    "source": submission.source or submission.channel,
                    "sha256": digest,
                    "state": MessageState.DEAD if submission.report is None else MessageState.WAITING,
                    "reason": submission.reason,
                    "payload": submission.payload if keeps and is_first else None,
                    **_read(submission.report),
                }
            )
        return rows


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


def _again(chosen: sa.ColumnElement[bool]) -> sa.Update:
    return sa.update(report_message).where(chosen).values(state=MessageState.WAITING, reason="")


def _digests(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return [row["sha256"] for row in rows]


def _not_known(connection: sa.Connection, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what came before, byte by byte, and was not discarded.

    A message that tells its time is one event however often it is sent. One that does not (a PUT of the same text)
    means what it says each time, unless it repeats the newest version of its report.
    """
    known = {tuple(found) for found in connection.execute(_EARLIER, {"digests": _digests(rows)})}
    newest = {_report(one): _newest(connection, one) for one in rows if not one["effective_at"]}
    fresh = []
    for one in rows:
        event = (*_report(one), one["status"], one["sha256"])
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
    named = {"source": one["source"], "report_key": one["report_key"]}
    return connection.execute(_NEWEST, named).scalar_one_or_none()
