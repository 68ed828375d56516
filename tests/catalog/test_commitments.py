"""Storage commitment as SCP: what is promised is on disk, and a report is owed until it is delivered."""

import datetime as dt
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import procrastinate
import pytest
import sqlalchemy as sa

from radir_node.catalog.attempts import Backoff
from radir_node.catalog.commitments import Commitments
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.tables import commitment
from radir_node.domain.commitment import CommitmentRequest, FailureReason, SopReference
from radir_node.domain.stored import StoredInstance

DX = "1.2.840.10008.5.1.4.1.1.1.1"
HELD = SopReference(DX, "1.2.3")
REQUEST = CommitmentRequest("2.25.1", "MODALITY", (HELD,))


@pytest.fixture
def commitments(database: Database, app: procrastinate.App, tmp_path: Path) -> Commitments:
    return Commitments(database, app, tmp_path, backoff=Backoff(dt.timedelta(seconds=10), attempts=2))


@pytest.fixture
def file(intake: Intake, stored: Callable[..., StoredInstance], tmp_path: Path) -> Path:
    """The file of one registered instance."""
    path = tmp_path / "instances" / "a.dcm"
    path.parent.mkdir()
    path.write_bytes(b"0123456789")
    intake.register(stored())
    return path


@pytest.mark.usefixtures("file")
def test_each_instance_is_judged(commitments: Commitments) -> None:
    """Held, unknown, and known under another SOP class."""
    unknown, other_class = SopReference(DX, "1.2.99"), SopReference("1.2", "1.2.3")
    commitments.accept(replace(REQUEST, references=(HELD, unknown, other_class)))

    due = commitments.take("MODALITY")

    assert due is not None
    assert (HELD,) == due.report.committed
    assert [
        (unknown, FailureReason.NO_SUCH_OBJECT_INSTANCE),
        (other_class, FailureReason.CLASS_INSTANCE_CONFLICT),
    ] == [(failed.reference, failed.reason) for failed in due.report.failed]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"01234")])
def test_nothing_is_promised_that_is_not_on_disk(
    commitments: Commitments, file: Path, damage: Callable[[Path], object]
) -> None:
    """A row alone is no archive: a file that is gone or cut short is not committed to."""
    damage(file)
    commitments.accept(REQUEST)

    due = commitments.take("MODALITY")

    assert due is not None
    assert [FailureReason.NO_SUCH_OBJECT_INSTANCE] == [failed.reason for failed in due.report.failed]


def test_a_report_is_held_by_one_at_a_time(commitments: Commitments) -> None:
    """Eight at once: one delivers."""
    commitments.accept(REQUEST)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(commitments.take, ["MODALITY"] * 8))

    assert 1 == len([due for due in taken if due is not None])


def test_a_report_goes_to_who_asked(commitments: Commitments) -> None:
    """And is not owed any more once it is there."""
    commitments.accept(REQUEST)
    stranger = commitments.take("OTHER")
    due = commitments.take("MODALITY")
    assert due is not None

    commitments.delivered(due)
    commitments.hasten("MODALITY")

    assert stranger is None
    assert commitments.take("MODALITY") is None


def test_a_report_that_fails_is_due_after_a_pause_or_on_the_next_association(
    commitments: Commitments, queued_for: Callable[[], list[str]]
) -> None:
    """The job of an association of our own waits for its time; a peer that calls meanwhile gets it at once."""
    commitments.accept(REQUEST)
    due = commitments.take("MODALITY")
    assert due is not None
    commitments.postponed(due, "the association ended")
    paused = commitments.take("MODALITY")

    commitments.hasten("MODALITY")
    again = commitments.take("MODALITY")

    assert paused is None
    assert again is not None
    assert (due.id, 1) == (again.id, again.attempts)
    assert ["MODALITY", "MODALITY"] == queued_for()


def test_a_report_that_cannot_be_delivered_is_listed(commitments: Commitments) -> None:
    """After its last attempt it is dead, with the reason; the operator may owe it once more."""
    commitments.accept(REQUEST)
    for _ in range(2):
        commitments.hasten("MODALITY")
        due = commitments.take("MODALITY")
        assert due is not None
        commitments.postponed(due, "nobody listens")
    dead = commitments.dead()
    commitments.hasten("MODALITY")
    nothing = commitments.take("MODALITY")

    revived = commitments.retry()

    assert [("MODALITY", 2, "nobody listens", 1)] == [
        (row["calling_ae_title"], row["attempts"], row["reason"], row["instances"]) for row in dead
    ]
    assert nothing is None
    assert 1 == revived
    assert commitments.take("MODALITY") is not None


@pytest.mark.usefixtures("file")
def test_the_same_request_again_is_answered_again(commitments: Commitments) -> None:
    """Its sender missed the answer: one commitment, reported anew."""
    commitments.accept(REQUEST)
    first = commitments.take("MODALITY")
    assert first is not None
    commitments.delivered(first)

    commitments.accept(REQUEST)
    second = commitments.take("MODALITY")

    assert second is not None
    assert (first.id, first.report) == (second.id, second.report)


@pytest.mark.usefixtures("file")
def test_other_instances_under_a_used_transaction_uid_fail(commitments: Commitments) -> None:
    """Every one, as a duplicate; the first request stands. Another peer may use the same UID."""
    other = SopReference(DX, "1.2.4")
    commitments.accept(REQUEST)
    commitments.accept(replace(REQUEST, references=(other,)))
    commitments.accept(replace(REQUEST, calling_ae_title="SECOND"))

    reports = [due.report for due in (commitments.take(name) for name in ("MODALITY", "MODALITY", "SECOND")) if due]

    assert [(HELD,), (), (HELD,)] == [report.committed for report in reports]
    assert [FailureReason.DUPLICATE_TRANSACTION_UID] == [failed.reason for failed in reports[1].failed]


def test_no_verdict_before_everything_acknowledged_is_registered(commitments: Commitments) -> None:
    """What lies in the spool would be judged as missing."""
    behind = replace(commitments, caught_up=lambda: False)
    behind.accept(REQUEST)

    assert behind.take("MODALITY") is None
    assert commitments.take("MODALITY") is not None


def test_old_answers_are_forgotten(commitments: Commitments, database: Database) -> None:
    """After three months; what is still owed never."""
    commitments.accept(REQUEST)
    due = commitments.take("MODALITY")
    assert due is not None
    commitments.delivered(due)
    commitments.accept(replace(REQUEST, transaction_uid="2.25.2"))
    with database.begin() as connection:
        connection.execute(sa.update(commitment).values(created_at=sa.func.now() - dt.timedelta(days=100)))

    assert 1 == commitments.forget_old()
    assert commitments.take("MODALITY") is not None


@pytest.fixture
def queued_for(database: Database) -> Callable[[], list[str]]:
    """List the AE titles that wait for a report over an association of our own."""
    waiting = sa.text("select args->>'peer' from jobs.procrastinate_jobs where task_name = 'report_commitments'")

    def listing() -> list[str]:
        with database.begin() as connection:
            return list(connection.execute(waiting).scalars())

    return listing
