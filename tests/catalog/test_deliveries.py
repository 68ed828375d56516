"""What is owed to a peer: tried with growing pauses, by one process at a time, until it is there or listed as dead."""

import datetime as dt
from collections.abc import Callable

import procrastinate
import pytest
import sqlalchemy as sa

from radir_node.catalog.attempts import Backoff
from radir_node.catalog.database import Database
from radir_node.catalog.deliveries import Deliveries
from radir_node.catalog.intake import Intake
from radir_node.catalog.tables import delivery
from radir_node.domain.commitment import CommitmentReport, FailedReference, SopReference
from radir_node.domain.stored import StoredInstance

Waiting = Callable[[], list[tuple[str, str, int]]]

TWICE = Backoff(dt.timedelta(seconds=10), dt.timedelta(minutes=1), attempts=3)


@pytest.fixture
def deliveries(
    database: Database, app: procrastinate.App, intake: Intake, stored: Callable[..., StoredInstance]
) -> Deliveries:
    """A queue with one object for the peer `pacs`, given up at its third failure."""
    intake.register(stored())
    made = Deliveries(database, app, TWICE)
    made.queue(1, "1.2.9001", "results/a.dcm", "pacs")
    return made


@pytest.fixture
def waiting(database: Database) -> Waiting:
    """List (task, peer, seconds until it runs) of the jobs of peers."""
    statement = sa.text(
        "select task_name, args->>'peer', coalesce(round(extract(epoch from scheduled_at - now())), 0)"
        " from jobs.procrastinate_jobs where status = 'todo' and args ? 'peer' order by id"
    )

    def listing() -> list[tuple[str, str, int]]:
        with database.begin() as connection:
            return [(row[0], row[1], int(row[2])) for row in connection.execute(statement)]

    return listing


@pytest.fixture
def over(database: Database) -> Callable[[], None]:
    """End every pause and every lease."""

    def end() -> None:
        past = {"next_attempt_at": sa.func.now(), "leased_until": None}
        with database.begin() as connection:
            connection.execute(sa.update(delivery).values(**past))

    return end


def test_an_object_is_queued_once_for_a_peer(deliveries: Deliveries, waiting: Waiting) -> None:
    """A study that is indexed again unchanged pushes nothing again."""
    again = deliveries.queue(1, "1.2.9001", "results/a.dcm", "pacs")
    elsewhere = deliveries.queue(1, "1.2.9001", "results/a.dcm", "other")

    assert (False, True) == (again, elsewhere)
    assert [("deliver_objects", "pacs", 0), ("deliver_objects", "other", 0)] == waiting()


def test_what_is_claimed_is_not_claimed_again(deliveries: Deliveries, over: Callable[[], None]) -> None:
    """Two processes never send the same object at the same time; a lease that runs out frees it."""
    (mine,) = deliveries.claim("pacs")

    assert [] == deliveries.claim("pacs")
    over()
    assert [mine] == deliveries.claim("pacs")


def test_a_passing_failure_is_tried_again_later(
    deliveries: Deliveries, waiting: Waiting, over: Callable[[], None]
) -> None:
    """The pause doubles, and the job of the next try waits for it."""
    for _ in range(2):
        (item,) = deliveries.claim("pacs")
        deliveries.postponed("pacs", [item.id], "C-STORE status 0xA700")
        paused = deliveries.claim("pacs")
        over()
        assert [] == paused

    assert [("deliver_objects", "pacs", pause) for pause in (0, 10, 20)] == waiting()


def test_after_the_last_attempt_it_is_dead_until_the_operator_wants_it(
    deliveries: Deliveries, waiting: Waiting, over: Callable[[], None]
) -> None:
    """The dead are listed with the last reason; nothing tries them; a retry starts from the beginning."""
    for number in range(3):
        (item,) = deliveries.claim("pacs")
        deliveries.postponed("pacs", [item.id], f"failure {number}")
        over()
    dead = deliveries.dead()
    nothing = deliveries.claim("pacs")

    revived = deliveries.retry()

    assert [(3, "failure 2", "pacs")] == [(row["attempts"], row["reason"], row["peer"]) for row in dead]
    assert [] == nothing
    assert (1, [item]) == (revived, deliveries.claim("pacs"))
    assert ("deliver_objects", "pacs", 0) == waiting()[-1]


def test_a_permanent_failure_is_dead_at_once(deliveries: Deliveries, waiting: Waiting) -> None:
    """To try it for ever would hide it."""
    (item,) = deliveries.claim("pacs")
    before = waiting()

    deliveries.given_up([item.id], "C-STORE status 0x0122")

    assert ["C-STORE status 0x0122"] == [row["reason"] for row in deliveries.dead()]
    assert before == waiting()
    assert {("pacs", "dead"): 1} == deliveries.counts()


def test_a_new_object_passes_those_that_wait(deliveries: Deliveries, database: Database) -> None:
    """The job of a later try does not hold up that of a new object for the same peer."""
    (item,) = deliveries.claim("pacs")
    deliveries.postponed("pacs", [item.id], "away")
    with database.begin() as connection:
        connection.execute(sa.text("delete from jobs.procrastinate_jobs where priority > -2"))

    deliveries.queue(1, "1.2.9002", "results/b.dcm", "pacs")

    with database.begin() as connection:
        fetched = sa.text("select scheduled_at is null from jobs.procrastinate_fetch_job_v2(null, null)")
        assert connection.execute(fetched).scalar_one()
    assert ["1.2.9002"] == [waiting.sop_instance_uid for waiting in deliveries.claim("pacs")]


def test_a_delivery_without_a_job_is_adopted(deliveries: Deliveries, database: Database, waiting: Waiting) -> None:
    """Whatever lost the job, the object is sent."""
    with database.begin() as connection:
        connection.execute(sa.text("delete from jobs.procrastinate_jobs"))

    assert (1, 0) == (deliveries.adopt(), deliveries.adopt())
    assert [("deliver_objects", "pacs", 0)] == waiting()


def test_what_a_peer_commits_to_is_confirmed(deliveries: Deliveries) -> None:
    """The success of a C-STORE is not the end: an object counts as safe when the peer says so, once."""
    ids = [item.id for item in deliveries.claim("pacs")]
    deliveries.delivered(ids)
    unconfirmed = [item.id for item in deliveries.unconfirmed("pacs")]
    deliveries.asked(ids, "2.25.1")
    report = CommitmentReport("2.25.1", (SopReference("1.2", "1.2.9001"),), ())

    assert ids == unconfirmed
    assert (True, True) == (deliveries.confirm(report), deliveries.confirm(report)), "the peer may say it twice"
    assert [] == deliveries.unconfirmed("pacs")


def test_what_a_peer_lost_is_sent_again(deliveries: Deliveries, over: Callable[[], None]) -> None:
    """It said success to the C-STORE, and does not hold the object."""
    (item,) = deliveries.claim("pacs")
    deliveries.delivered([item.id])
    deliveries.asked([item.id], "2.25.1")

    known = deliveries.confirm(
        CommitmentReport("2.25.1", (), (FailedReference(SopReference("1.2", "1.2.9001"), 0x0112),))
    )
    over()

    assert known
    assert [item] == deliveries.claim("pacs")


def test_a_report_that_nobody_asked_for_is_refused(deliveries: Deliveries) -> None:
    """Another's Transaction UID changes nothing here."""
    assert not deliveries.confirm(CommitmentReport("2.25.7", (SopReference("1.2", "1.2.9001"),), ()))


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 10), (2, 20), (3, 40), (10, 3600), (1000, 3600)])
def test_pauses_double_up_to_an_hour(attempts: int, seconds: int) -> None:
    """Whatever the number, there is a next try."""
    assert dt.timedelta(seconds=seconds) == Backoff().pause(attempts)
