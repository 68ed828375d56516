"""Storage commitment: requests of peers, what of them is safe here, and reports that are owed until delivered.

Implements dicom_services.scp.ports.CommitmentPort; reports go over an association that the peer has open, or over one
of the node's own (the worker's job jobs.REPORT).
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import procrastinate
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog import attempts, jobs
from radir_node.catalog.attempts import Backoff
from radir_node.catalog.database import Database
from radir_node.catalog.deliveries import Deliveries
from radir_node.catalog.tables import commitment, instance
from radir_node.domain.commitment import (
    CommitmentReport,
    CommitmentRequest,
    DueReport,
    FailedReference,
    FailureReason,
    SopReference,
)

GRACE = dt.timedelta(seconds=5)
"""The report may go over the association of the request for so long, before the node opens one of its own."""

MEMORY = dt.timedelta(days=90)
"""A Transaction UID is known for so long after its report was delivered or given up."""


@dataclass(frozen=True)
class Commitments:
    """One object per process; thread-safe."""

    database: Database
    job_app: procrastinate.App
    root: Path
    """Storage root: an object is safe when its file is there in full."""
    caught_up: Callable[[], bool] = lambda: True
    """Wait until everything that was acknowledged is registered; False when it is not."""
    backoff: Backoff = field(default_factory=Backoff)

    def accept(self, request: CommitmentRequest) -> None:
        """Make a request durable; its report is due from now on. Raises DatabaseDown.

        The same request again, for a peer that missed the answer, is reported again. Another one under a Transaction
        UID that was used is a duplicate, and is reported too.
        """
        values = {
            "transaction_uid": request.transaction_uid,
            "calling_ae_title": request.calling_ae_title,
            "items": [[item.sop_class_uid, item.sop_instance_uid] for item in request.references],
        }
        with self.database.begin() as connection:
            if not (_insert(connection, values) or _owe_again(connection, values)):
                connection.execute(sa.insert(commitment).values(**values, duplicate=True))
            at = dt.datetime.now(dt.UTC) + GRACE
            jobs.defer_to_peer(self.job_app, connection, jobs.REPORT, peer=request.calling_ae_title, at=at)

    def take(self, calling_ae_title: str) -> DueReport | None:
        """Judge the oldest request of the AE title whose report is due, and hold its report for the caller.

        Nobody else is given it until `delivered`, `postponed`, or the end of the lease. None when no report is due, or
        when objects that were acknowledged before are not registered yet.
        """
        due = sa.and_(attempts.is_due(commitment), commitment.c.calling_ae_title == calling_ae_title)
        if not self.caught_up():
            return None
        with self.database.begin() as connection:
            rows = attempts.claim(connection, commitment, due, 1, self.backoff)
            return self._judged(connection, rows[0]) if rows else None

    def delivered(self, due: DueReport) -> None:
        """The peer has answered the report with success."""
        with self.database.begin() as connection:
            attempts.delivered(connection, commitment, [due.id])

    def postponed(self, due: DueReport, reason: str) -> None:
        """The report did not reach the peer; it is due again after a growing pause, until it is listed as dead."""
        with self.database.begin() as connection:
            at = attempts.postponed(connection, commitment, [due.id], reason, self.backoff)
            if at is not None:
                jobs.defer_to_peer(self.job_app, connection, jobs.REPORT, peer=due.calling_ae_title, at=at)

    def hasten(self, calling_ae_title: str) -> None:
        """The AE title has an association open: every report owed to it is due now, whatever its pause."""
        waiting = sa.and_(commitment.c.state == attempts.WAITING, commitment.c.calling_ae_title == calling_ae_title)
        now = {"next_attempt_at": sa.func.least(commitment.c.next_attempt_at, sa.func.now())}
        with self.database.begin() as connection:
            connection.execute(sa.update(commitment).where(waiting).values(**now))

    def confirm(self, calling_ae_title: str, report: CommitmentReport) -> bool:
        """Take the report of a peer about what the node sent to it; False when the node asked for no such thing."""
        return Deliveries(self.database, self.job_app, self.backoff).confirm(report)

    def dead(self, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        """Return reports that were given up, newest first: id, AE title, instances, attempts, reason, when asked."""
        names = ("id", "calling_ae_title", "attempts", "reason", "created_at")
        instances = sa.func.jsonb_array_length(commitment.c["items"]).label("instances")
        listed = sa.select(*(commitment.c[name] for name in names), instances)
        given_up = listed.where(commitment.c.state == attempts.DEAD).order_by(commitment.c.id.desc()).limit(limit)
        with self.database.begin() as connection:
            return [dict(row) for row in connection.execute(given_up).mappings()]

    def retry(self, ids: Sequence[int] | None = None) -> int:
        """Let reports that were given up be delivered after all, all or those named; return how many."""
        with self.database.begin() as connection:
            again = attempts.revived(connection, commitment, ids)
            for peer in sorted({row.calling_ae_title for row in again}):
                jobs.defer_to_peer(self.job_app, connection, jobs.REPORT, peer=peer)
            return len(again)

    def adopt(self) -> int:
        """Give a job to every AE title that a report waits for without one, whatever became of it; return how many."""
        with self.database.begin() as connection:
            callers = list(connection.execute(_ORPHANS, {"task": jobs.REPORT}).scalars())
            for caller in callers:
                jobs.defer_to_peer(self.job_app, connection, jobs.REPORT, peer=caller)
        return len(callers)

    def forget_old(self) -> int:
        """Remove requests whose report was delivered, or given up, long ago; return how many."""
        old = sa.and_(commitment.c.state != attempts.WAITING, commitment.c.created_at < sa.func.now() - MEMORY)
        with self.database.begin() as connection:
            return connection.execute(sa.delete(commitment).where(old)).rowcount

    def _judged(self, connection: sa.Connection, row: sa.Row[Any]) -> DueReport:
        asked = [SopReference(*item) for item in row._mapping["items"]]
        if row.duplicate:
            reasons: list[FailureReason | None] = [FailureReason.DUPLICATE_TRANSACTION_UID] * len(asked)
        else:
            held = self._held(connection, [item.sop_instance_uid for item in asked])
            reasons = [_reason(item, held.get(item.sop_instance_uid)) for item in asked]
        judged = list(zip(asked, reasons, strict=True))
        committed = tuple(item for item, reason in judged if reason is None)
        failed = tuple(FailedReference(item, reason) for item, reason in judged if reason is not None)
        report = CommitmentReport(row.transaction_uid, committed, failed)
        return DueReport(row.id, row.calling_ae_title, report, row.attempts)

    def _held(self, connection: sa.Connection, uids: Sequence[str]) -> Mapping[str, str]:
        """Return SOP Instance UID -> SOP Class UID of the objects whose file is on disk, in full."""
        named = instance.c.sop_instance_uid == sa.any_(sa.literal(list(uids), sa.ARRAY(sa.Text)))
        columns = (instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.path, instance.c.size_bytes)
        rows = connection.execute(sa.select(*columns).where(named, instance.c.is_current)).all()
        there = (row for row in rows if _size(self.root / row.path) == row.size_bytes)
        return {row.sop_instance_uid: row.sop_class_uid for row in there}


def _insert(connection: sa.Connection, values: Mapping[str, Any]) -> bool:
    fresh = insert(commitment).values(**values).on_conflict_do_nothing().returning(commitment.c.id)
    return connection.execute(fresh).scalar_one_or_none() is not None


def _owe_again(connection: sa.Connection, values: Mapping[str, Any]) -> bool:
    """Owe the report of the same request once more; False when the known one named other objects."""
    same = sa.and_(
        commitment.c.calling_ae_title == values["calling_ae_title"],
        commitment.c.transaction_uid == values["transaction_uid"],
        commitment.c["items"] == sa.cast(values["items"], commitment.c["items"].type),
        ~commitment.c.duplicate,
    )
    owed = {"state": attempts.WAITING, "attempts": 0, "next_attempt_at": sa.func.now()}
    return connection.execute(sa.update(commitment).where(same).values(**owed)).rowcount > 0


def _reason(asked: SopReference, held_sop_class_uid: str | None) -> FailureReason | None:
    if held_sop_class_uid is None:
        return FailureReason.NO_SUCH_OBJECT_INSTANCE
    return None if held_sop_class_uid == asked.sop_class_uid else FailureReason.CLASS_INSTANCE_CONFLICT


def _size(path: Path) -> int:
    """Return the size of a file in bytes, -1 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


_ORPHANS = sa.text("""
    select distinct calling_ae_title from commitment
    where state = 'waiting' and next_attempt_at <= now() and not coalesce(leased_until > now(), false) and not exists (
        select from jobs.procrastinate_jobs
        where lock = :task || ':' || calling_ae_title and status in ('todo', 'doing')
    )
""")
