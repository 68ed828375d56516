"""Batches of instances in one transaction: what one by one would have done, in their order, and safe to repeat."""

import datetime as dt
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa

from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.health import HealthCounts
from radir_node.catalog.intake import MOST_REFUSALS, Intake
from radir_node.catalog.registration import waves
from radir_node.catalog.studies import Studies
from radir_node.catalog.tables import refusal, series, study
from radir_node.domain.stored import Refusal, Registered, StoredInstance

Stored = Callable[..., StoredInstance]
Queued = Callable[[], list[tuple[str, int]]]

WRONG_COUNTS = """
    select count(*) from study where number_of_instances <> (
        select count(*) from instance join series on series.id = series_id where study_id = study.id and is_current
    )
"""


def test_a_batch_of_many_studies_is_one_transaction(intake: Intake, stored: Stored, queued: Queued) -> None:
    """Each study gets its one job."""
    batch = [stored(f"1.{s}.{n}", f"1.{s}", f"{s}-{n}") for n in range(3) for s in range(4)]

    outcomes = intake.register_all(batch)

    assert [Registered.NEW] * 12 == outcomes
    assert [("settle_study", number) for number in (1, 2, 3, 4)] == queued()


def test_copies_inside_a_batch_are_taken_in_their_order(intake: Intake, stored: Stored, studies: Studies) -> None:
    """The same twice is the same; other content afterwards is a correction."""
    outcomes = intake.register_all([stored(sha256="a"), stored(sha256="a"), stored(sha256="b")])

    assert [Registered.NEW, Registered.SAME, Registered.REPLACED] == outcomes
    assert ["instances/b.dcm"] == [row["path"] for row in studies.instances("1.2")]


def test_a_repeated_batch_changes_nothing(
    intake: Intake, completion: CompletionTracker, stored: Stored, studies: Studies, queued: Queued
) -> None:
    """After a crash between commit and the removal of the files, the same files are registered again in their order.

    An older copy must not win over its correction, and no study is opened again.
    """
    batch = [stored(sha256="a"), stored(sha256="b"), stored("1.2.4", sha256="c")]
    intake.register_all(batch)
    completion.settle(1)
    before = queued()

    outcomes = intake.register_all(batch)

    assert [Registered.SAME] * 3 == outcomes
    assert before == queued()
    assert {"instances/b.dcm", "instances/c.dcm"} == {row["path"] for row in studies.instances("1.2")}


def test_an_older_copy_that_is_sent_again_wins(intake: Intake, stored: Stored, studies: Studies) -> None:
    """A corrupt copy is restored by sending the good one once more, at another time."""
    intake.register_all([stored(sha256="good"), stored(sha256="corrupt")])

    (outcome,) = intake.register_all([stored(sha256="good")])

    assert Registered.REPLACED == outcome
    assert ["instances/good.dcm"] == [row["path"] for row in studies.instances("1.2")]


def test_batches_do_what_one_by_one_does(intake: Intake, stored: Stored, database: Database) -> None:
    """Random instances of few studies, with copies, corrections and moves: same outcomes, and counts that are true."""
    chosen = random.Random(5)
    stream = [
        stored(f"7.{chosen.randrange(12)}", f"1.{chosen.randrange(4)}", f"content {chosen.randrange(3)}")
        for _ in range(120)
    ]
    shifted = [
        replace(
            item,
            received=item.received + dt.timedelta(seconds=1),
            header=replace(
                item.header,
                sop_instance_uid=f"8{item.header.sop_instance_uid}",
                study_instance_uid=f"8{item.header.study_instance_uid}",
            ),
        )
        for item in stream
    ]

    alone = [intake.register(item) for item in stream]
    together = [outcome for start in range(0, 120, 17) for outcome in intake.register_all(shifted[start : start + 17])]

    assert alone == together
    assert {Registered.NEW, Registered.SAME, Registered.REPLACED} == set(alone)
    with database.begin() as connection:
        assert 0 == connection.execute(sa.text(WRONG_COUNTS)).scalar_one()
        of_series = sa.select(sa.func.sum(series.c.number_of_instances)).scalar_subquery()
        of_studies = sa.select(sa.func.sum(study.c.number_of_instances)).scalar_subquery()
        assert connection.execute(sa.select(of_series == of_studies)).scalar_one()


def test_batches_that_share_studies_do_not_deadlock(intake: Intake, stored: Stored, studies: Studies) -> None:
    """Eight registrars, the same studies in different orders: each instance once, nobody waits for ever."""
    batches = []
    for registrar in range(8):
        batch = [stored(f"1.{s}.{registrar}", f"1.{s}", f"{s}-{registrar}") for s in range(10)]
        random.Random(registrar).shuffle(batch)
        batches.append(batch)

    with ThreadPoolExecutor(8) as pool:
        outcomes = [outcome for found in pool.map(intake.register_all, batches) for outcome in found]

    assert [Registered.NEW] * 80 == outcomes
    assert 80 == studies.counts()["instances"]


def test_a_batch_that_cannot_be_written_leaves_nothing(intake: Intake, stored: Stored, studies: Studies) -> None:
    """One unusable instance takes the batch with it, as no transient failure: each of the others can go alone."""
    unusable = replace(stored("1.2.9", sha256="x"), size=2**70)

    with pytest.raises(sa.exc.DBAPIError, match="out of range"):
        intake.register_all([stored(), unusable])

    assert 0 == studies.counts()["instances"]
    assert Registered.NEW == intake.register(stored())


def test_a_study_whose_pseudonym_is_taken_gets_another(
    intake: Intake, stored: Stored, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pseudonyms are short: two of a million studies may hash to the same, and both must be stored."""
    monkeypatch.setattr("radir_node.catalog.registration.case_id", lambda secret, uid, taken=0: f"RADIR-{taken}")

    outcomes = [intake.register(stored(f"1.{number}.1", f"1.{number}", str(number))) for number in range(3)]

    assert [Registered.NEW] * 3 == outcomes
    with database.begin() as connection:
        ids = connection.execute(sa.select(study.c.case_id).order_by(study.c.id)).scalars().all()
    assert ["RADIR-0", "RADIR-1", "RADIR-2"] == ids


def test_waves_hold_each_instance_once(stored: Stored) -> None:
    """The second copy of an instance waits for the second wave, the third for the third."""
    batch = [stored("1.1"), stored("1.2"), stored("1.1"), stored("1.1"), stored("1.3")]

    assert [[0, 1, 4], [2], [3]] == [[number for number, _ in wave] for wave in waves(batch)]


def test_refusals_of_a_kind_are_one_row(intake: Intake, database: Database) -> None:
    """However often a sender tries, the list of refusals does not grow."""
    for _ in range(3):
        intake.refuse_all([Refusal("no Study Instance UID", "CT1", "1.2")] * 5 + [Refusal("unreadable", "CT1", "1.2")])

    assert {("no Study Instance UID", 15), ("unreadable", 3)} == {row[:2] for row in HealthCounts(database).refusals()}
    with database.begin() as connection:
        assert 2 == connection.execute(sa.select(sa.func.count()).select_from(refusal)).scalar_one()


def test_a_caller_that_invents_names_does_not_fill_the_list(intake: Intake, database: Database) -> None:
    """The newest kinds are kept."""
    intake.refuse_all([Refusal("r", f"AE{number:05}", "1.2") for number in range(MOST_REFUSALS + 50)])
    intake.refuse_all([Refusal("last", "AE", "1.2")])

    with database.begin() as connection:
        assert MOST_REFUSALS == connection.execute(sa.select(sa.func.count()).select_from(refusal)).scalar_one()
    assert "last" in {row[0] for row in HealthCounts(database).refusals()}
