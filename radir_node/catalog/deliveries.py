"""Objects to be sent to peers by C-STORE: a queue that outlives restarts, with retries, an end, and a list of the dead.

Rows are made by the push of similar cases and worked on by the worker's delivery job (radir_node.node.delivery).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import procrastinate
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog import attempts, jobs
from radir_node.catalog.attempts import Backoff
from radir_node.catalog.database import Database
from radir_node.catalog.tables import delivery
from radir_node.domain.commitment import CommitmentReport

AT_A_TIME = 20
"""Objects that go over one association."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object on its way to one peer."""

    id: int
    sop_instance_uid: str
    path: str
    """POSIX path below the storage root."""


@dataclass(frozen=True)
class Deliveries:
    """One object per process; thread-safe."""

    database: Database
    job_app: procrastinate.App
    backoff: Backoff = field(default_factory=Backoff)

    def queue(self, study_id: int, sop_instance_uid: str, path: str, peer: str) -> bool:
        """Let an object be sent to a peer of the configuration; False when it is on its way, sent or given up."""
        values = {"study_id": study_id, "sop_instance_uid": sop_instance_uid, "path": path, "peer": peer}
        with self.database.begin() as connection:
            fresh = insert(delivery).values(values).on_conflict_do_nothing().returning(delivery.c.id)
            if connection.execute(fresh).scalar_one_or_none() is None:
                return False
            jobs.defer_to_peer(self.job_app, connection, jobs.DELIVER, peer=peer)
            return True

    def claim(self, peer: str) -> list[Delivery]:
        """Lease what is due for the peer; say `delivered`, `postponed` or `given_up` of each."""
        due = sa.and_(delivery.c.peer == peer, attempts.is_due(delivery))
        with self.database.begin() as connection:
            rows = attempts.claim(connection, delivery, due, AT_A_TIME, self.backoff)
        return [Delivery(row.id, row.sop_instance_uid, row.path) for row in rows]

    def delivered(self, ids: Collection[int]) -> None:
        """The peer answered success."""
        with self.database.begin() as connection:
            attempts.delivered(connection, delivery, ids)

    def postponed(self, peer: str, ids: Collection[int], reason: str) -> None:
        """Something that may pass: each is tried again after its own growing pause, until it is listed as dead."""
        with self.database.begin() as connection:
            self._postpone(connection, peer, ids, reason)

    def _postpone(self, connection: sa.Connection, peer: str, ids: Collection[int], reason: str) -> None:
        at = attempts.postponed(connection, delivery, ids, reason, self.backoff)
        if at is not None:
            jobs.defer_to_peer(self.job_app, connection, jobs.DELIVER, peer=peer, at=at)

    def given_up(self, ids: Collection[int], reason: str) -> None:
        """The peer will never take it as it is: dead at once."""
        with self.database.begin() as connection:
            attempts.given_up(connection, delivery, ids, reason)

    def unconfirmed(self, peer: str, limit: int = 1000) -> Sequence[Delivery]:
        """Return what the peer took, and was not asked to commit to yet, oldest first."""
        taken = sa.and_(
            delivery.c.peer == peer,
            delivery.c.state == attempts.DELIVERED,
            delivery.c.confirmed_at.is_(None),
            delivery.c.transaction_uid == "",
        )
        with self.database.begin() as connection:
            rows = connection.execute(sa.select(delivery).where(taken).order_by(delivery.c.id).limit(limit)).all()
        return [Delivery(row.id, row.sop_instance_uid, row.path) for row in rows]

    def asked(self, ids: Collection[int], transaction_uid: str) -> None:
        """The peer is being asked to commit to these under that Transaction UID."""
        with self.database.begin() as connection:
            asking = {"transaction_uid": transaction_uid}
            connection.execute(sa.update(delivery).where(delivery.c.id.in_(ids)).values(**asking))

    def confirm(self, report: CommitmentReport) -> bool:
        """Take a peer's report: what it committed to is confirmed, what it lost is sent again.

        False when the node asked for no such thing. The same report again, for a peer that missed the answer, changes
        nothing.
        """
        of_it = delivery.c.transaction_uid == report.transaction_uid
        open_ones = sa.and_(of_it, delivery.c.confirmed_at.is_(None))
        safe = delivery.c.sop_instance_uid.in_([item.sop_instance_uid for item in report.committed])
        lost = delivery.c.sop_instance_uid.in_([item.reference.sop_instance_uid for item in report.failed])
        again = {"state": attempts.WAITING, "transaction_uid": "", "delivered_at": None}
        with self.database.begin() as connection:
            known = bool(connection.execute(sa.select(sa.exists().where(of_it))).scalar_one())
            connection.execute(sa.update(delivery).where(open_ones, safe).values(confirmed_at=sa.func.now()))
            resent = (
                sa.update(delivery).where(open_ones, lost).values(**again).returning(delivery.c.id, delivery.c.peer)
            )
            for row in connection.execute(resent).all():
                self._postpone(connection, row.peer, [row.id], "the peer does not commit to it")
            return known

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return (peer, state) -> objects."""
        counted = sa.select(delivery.c.peer, delivery.c.state, sa.func.count()).group_by(
            delivery.c.peer, delivery.c.state
        )
        with self.database.begin() as connection:
            return {(peer, state): n for peer, state, n in connection.execute(counted)}

    def dead(self, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        """Return what was given up, newest first: id, study, peer, attempts, reason, since when."""
        names = ("id", "study_id", "peer", "attempts", "reason", "created_at")
        listed = sa.select(*(delivery.c[name] for name in names)).where(delivery.c.state == attempts.DEAD)
        with self.database.begin() as connection:
            return [
                dict(row) for row in connection.execute(listed.order_by(delivery.c.id.desc()).limit(limit)).mappings()
            ]

    def retry(self, ids: Sequence[int] | None = None) -> int:
        """Send what was given up after all, all or those named; return how many."""
        with self.database.begin() as connection:
            again = attempts.revived(connection, delivery, ids)
            for peer in sorted({row.peer for row in again}):
                jobs.defer_to_peer(self.job_app, connection, jobs.DELIVER, peer=peer)
            return len(again)

    def adopt(self) -> int:
        """Give a job to every peer that something waits for without one, whatever became of it; return how many."""
        with self.database.begin() as connection:
            peers = list(connection.execute(_ORPHANS, {"task": jobs.DELIVER}).scalars())
            for peer in peers:
                jobs.defer_to_peer(self.job_app, connection, jobs.DELIVER, peer=peer)
        return len(peers)


_ORPHANS = sa.text("""
    select distinct peer from delivery
    where state = 'waiting' and next_attempt_at <= now() and not coalesce(leased_until > now(), false) and not exists (
        select from jobs.procrastinate_jobs where lock = :task || ':' || peer and status in ('todo', 'doing')
    )
""")
