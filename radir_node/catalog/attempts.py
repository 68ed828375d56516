"""What is owed to peers: rows that are tried until they are delivered or given up. For deliveries and commitments.

Rows are claimed with a lease, so that two processes never try the same one at the same time; the lease of a process
that was killed runs out. Functions inside the caller's transaction.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

WAITING, DELIVERED, DEAD = "waiting", "delivered", "dead"


@dataclass(frozen=True)
class Backoff:
    """When something is tried: pauses each twice as long as the one before, up to a cap; given up after so many."""

    first: dt.timedelta = dt.timedelta(seconds=10)
    longest: dt.timedelta = dt.timedelta(hours=1)
    attempts: int = 80
    """With the defaults: three days."""
    lease: dt.timedelta = dt.timedelta(seconds=330)
    """How long an attempt holds its rows, if its process is killed: longer than a peer has to answer."""

    def pause(self, attempts: int) -> dt.timedelta:
        """Return how long to wait after so many failed attempts."""
        return min(self.first * (1 << min(attempts - 1, 30)), self.longest)


def claim(
    connection: sa.Connection, table: sa.Table, chosen: sa.ColumnElement[bool], limit: int, backoff: Backoff
) -> Sequence[sa.Row[Any]]:
    """Lease rows that wait, oldest first, and return them; those that another process holds are passed over."""
    free = sa.or_(table.c.leased_until.is_(None), table.c.leased_until < sa.func.now())
    mine = (
        sa.select(table.c.id)
        .where(table.c.state == sa.literal_column("'waiting'"), free, chosen)
        .order_by(table.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    leased = (
        sa.update(table)
        .where(table.c.id.in_(mine.scalar_subquery()))
        .values(leased_until=sa.func.now() + backoff.lease)
    )
    return sorted(connection.execute(leased.returning(*table.c)).all(), key=lambda row: int(row.id))


def is_due(table: sa.Table) -> sa.ColumnElement[bool]:
    due: sa.ColumnElement[bool] = table.c.next_attempt_at <= sa.func.now()
    return due


def delivered(connection: sa.Connection, table: sa.Table, ids: Collection[int]) -> None:
    values = {"state": DELIVERED, "delivered_at": sa.func.now(), "leased_until": None, "reason": ""}
    connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(**values))


def postponed(
    connection: sa.Connection, table: sa.Table, ids: Collection[int], reason: str, backoff: Backoff
) -> dt.datetime | None:
    """Count a failed attempt of rows that wait; return when the earliest is tried again, None when none is."""
    of_these = sa.select(table.c.id, table.c.attempts).where(table.c.id.in_(ids), table.c.state == WAITING)
    again: list[dt.datetime] = []
    for row in connection.execute(of_these.with_for_update()).all():
        attempts = row.attempts + 1
        at = dt.datetime.now(dt.UTC) + backoff.pause(attempts)
        values: dict[str, Any] = {"attempts": attempts, "leased_until": None, "reason": reason, "next_attempt_at": at}
        if attempts >= backoff.attempts:
            values["state"] = DEAD
        else:
            again.append(at)
        connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
    return min(again, default=None)


def given_up(connection: sa.Connection, table: sa.Table, ids: Collection[int], reason: str) -> None:
    """To try rows again would fail again; people see them with the reason."""
    values = {"state": DEAD, "leased_until": None, "reason": reason, "attempts": table.c.attempts + 1}
    connection.execute(sa.update(table).where(table.c.id.in_(ids), table.c.state == WAITING).values(**values))


def revived(connection: sa.Connection, table: sa.Table, ids: Collection[int] | None) -> Sequence[sa.Row[Any]]:
    """Let rows that were given up wait again, all or those named; return them."""
    chosen = table.c.state == DEAD if ids is None else sa.and_(table.c.state == DEAD, table.c.id.in_(ids))
    values = {"state": WAITING, "attempts": 0, "next_attempt_at": sa.func.now()}
    return connection.execute(sa.update(table).where(chosen).values(**values).returning(*table.c)).all()
