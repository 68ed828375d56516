"""The job queue (procrastinate) in the same Postgres: a job and the rows it is about commit or vanish together.

Only task names are known here; the worker verb registers what they do (radir_node.node.worker).
"""

import datetime as dt
from collections.abc import Mapping

import procrastinate
import sqlalchemy as sa
from procrastinate.jobs import Job

from radir_node.catalog.database import Database
from radir_node.errors import DatabaseDown

SETTLE = "settle_study"
INDEX = "index_study"
PUSH = "push_similar_cases"
DELIVER = "deliver_objects"
REPORT = "report_commitments"
LINK = "link_reports"
REPARSE = "reparse_reports"

PRIORITIES = {SETTLE: 1, LINK: 1, INDEX: 0, PUSH: -1, DELIVER: -1, REPORT: -1, REPARSE: -2}
"""A job blocks later ones of its study even while it waits for its next try, unless they have a higher priority: a push
to a PACS that is away must hold up neither its own study nor the queue."""
CARE_PRIORITY = 2
"""Of the periodic tasks: a long queue must not keep them from putting the jobs of a killed worker back."""


def job_app(url: str) -> procrastinate.App:
    """Return an unopened procrastinate app on the catalogue's Postgres."""
    connector = procrastinate.PsycopgConnector(conninfo=url, kwargs={"options": "-csearch_path=public,jobs"})
    return procrastinate.App(connector=connector)


def defer(
    app: procrastinate.App, connection: sa.Connection, task: str, *, study: int, at: dt.datetime | None = None
) -> None:
    """Enqueue `task` for a study inside the caller's own transaction.

    Jobs of one study run one at a time (lock); there is no queueing lock, because a retry under one can stick for ever
    (procrastinate issue 1543), so every task first asks whether there is still work. Raises DatabaseDown.
    """
    defer_all(app, connection, task, {study: at})


def defer_all(
    app: procrastinate.App, connection: sa.Connection, task: str, studies: Mapping[int, dt.datetime | None]
) -> None:
    """Enqueue `task` for many studies, each at its time (None = now), in one statement. As `defer`."""
    priority = PRIORITIES[task]
    _defer(app, connection, [_job(app, task, f"study:{key}", at, priority, study=key) for key, at in studies.items()])


def defer_to_peer(
    app: procrastinate.App, connection: sa.Connection, task: str, *, peer: str, at: dt.datetime | None = None
) -> None:
    """Enqueue `task` for a peer inside the caller's own transaction. Raises DatabaseDown.

    Jobs of one task and peer run one at a time: a peer that hangs holds one place of the worker, no more. A job that
    waits for its next try yields to one that is new, and does not hold it up.
    """
    priority = PRIORITIES[task] - (at is not None)
    _defer(app, connection, [_job(app, task, f"{task}:{peer}", at, priority, peer=peer)])


def defer_once(app: procrastinate.App, connection: sa.Connection, task: str) -> bool:
    """Enqueue a `task` that does all there is to do, unless one is waiting already; say whether it was enqueued.

    One that starts before this transaction commits may miss what it writes: care finds such work (`adopt`).
    Raises DatabaseDown.
    """
    waits = "select exists (select from jobs.procrastinate_jobs where task_name = :task and status = 'todo')"
    if connection.execute(sa.text(waits), {"task": task}).scalar_one():
        return False
    _defer(app, connection, [_job(app, task, task, None, PRIORITIES[task])])
    return True


def _job(
    app: procrastinate.App, task: str, lock: str, at: dt.datetime | None, priority: int, **arguments: int | str
) -> Job:
    return app.configure_task(task, lock=lock, schedule_at=at, priority=priority).make_new_job(**arguments)


def _defer(app: procrastinate.App, connection: sa.Connection, waiting: list[Job]) -> None:
    if not waiting:
        return
    try:
        app.job_manager.batch_defer_jobs(waiting, connection.connection.driver_connection)
    except procrastinate.exceptions.ConnectorException as error:
        raise DatabaseDown("the catalogue went away while a job was enqueued") from error


def withdraw(connection: sa.Connection, task: str, *, study: int) -> None:
    """Remove the jobs of a study that wait for their time: they would hold up those that come after them."""
    waiting = "delete from jobs.procrastinate_jobs where lock = :lock and task_name = :task and status = 'todo'"
    connection.execute(sa.text(waiting), {"lock": f"study:{study}", "task": task})


def hasten(connection: sa.Connection, task: str, studies: Mapping[int, dt.datetime]) -> None:
    """Bring the waiting jobs of studies forward to their times."""
    sooner = (
        "update jobs.procrastinate_jobs set scheduled_at = due.at"
        " from unnest(cast(:locks as text[]), cast(:times as timestamptz[])) as due (lock, at)"
        " where procrastinate_jobs.lock = due.lock and task_name = :task and status = 'todo' and scheduled_at > due.at"
    )
    locks = [f"study:{key}" for key in studies]
    connection.execute(sa.text(sooner), {"locks": locks, "times": list(studies.values()), "task": task})


def queue_depth(connection: sa.Connection) -> tuple[int, int, float | None]:
    """Return (jobs of studies and peers waiting or running, given up, age in seconds of the oldest one that is due)."""
    row = connection.execute(
        sa.text(
            "select count(*) filter (where status in ('todo', 'doing')), count(*) filter (where status = 'failed'),"
            " extract(epoch from now() - min(coalesce(scheduled_at, now())) filter"
            " (where status = 'todo' and coalesce(scheduled_at, now()) <= now()))"
            " from jobs.procrastinate_jobs where lock is not null"
        )
    ).one()
    return int(row[0]), int(row[1]), None if row[2] is None else float(row[2])


def worker_lives(database: Database) -> bool:
    """Say whether some worker wrote its heartbeat in the last 10 seconds."""
    recent = (
        "select exists (select from jobs.procrastinate_workers where last_heartbeat > now() - interval '10 seconds')"
    )
    with database.begin() as connection:
        return bool(connection.execute(sa.text(recent)).scalar_one())
