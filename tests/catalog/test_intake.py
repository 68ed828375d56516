from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database, open_database
from radir_node.catalog.intake import Intake
from radir_node.catalog.studies import Studies
from radir_node.domain.stored import Registered, StoredInstance
from radir_node.domain.study import StudyState
from radir_node.errors import DatabaseDown

Stored = Callable[..., StoredInstance]
Queued = Callable[[], list[tuple[str, int]]]


def test_the_first_instance_opens_the_study_and_its_settle_job(
    intake: Intake, stored: Stored, queued: Queued, studies: Studies
) -> None:
    """Row and job exist together."""
    outcome = intake.register(stored())

    assert outcome == Registered.NEW
    assert queued() == [("settle_study", 1)]
    assert [(s["study_instance_uid"], s["state"], s["instances"]) for s in studies.list()] == [("1.2", "receiving", 1)]


def test_the_same_content_again_changes_nothing(
    intake: Intake, stored: Stored, queued: Queued, studies: Studies
) -> None:
    """A peer that sends twice is answered success, without a second copy or job."""
    intake.register(stored())

    outcome = intake.register(stored())

    assert outcome == Registered.SAME
    assert studies.counts()["instances"] == 1
    assert len(queued()) == 1


def test_other_content_replaces_by_default(intake: Intake, stored: Stored, studies: Studies) -> None:
    """A corrected copy becomes current."""
    intake.register(stored(sha256="a"))

    outcome = intake.register(stored(sha256="b"))

    assert outcome == Registered.REPLACED
    assert [i["path"] for i in studies.instances("1.2")] == ["instances/b.dcm"]


def test_other_content_is_left_aside_when_the_policy_keeps(intake: Intake, stored: Stored, studies: Studies) -> None:
    """duplicate_policy = "keep" holds on to the first copy."""
    keeping = replace(intake, duplicate_policy="keep")
    keeping.register(stored(sha256="a"))

    outcome = keeping.register(stored(sha256="b"))

    assert outcome == Registered.KEPT
    assert [i["path"] for i in studies.instances("1.2")] == ["instances/a.dcm"]


def test_an_instance_left_aside_opens_no_study(intake: Intake, stored: Stored, studies: Studies) -> None:
    """The same SOP Instance UID in another study, where the policy keeps the first, leaves no study without a job."""
    keeping = replace(intake, duplicate_policy="keep")
    keeping.register(stored(sha256="a"))

    outcome = keeping.register(stored(study="1.9", sha256="b"))

    assert outcome == Registered.KEPT
    assert studies.counts()["studies"] == {"receiving": 1}


def test_concurrent_copies_of_one_instance_yield_one_row(
    intake: Intake, stored: Stored, studies: Studies, queued: Queued
) -> None:
    """Eight associations send the same instance at once: one is new, seven are the same, one job waits."""
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(intake.register, [stored()] * 8))

    assert [Registered.NEW, *[Registered.SAME] * 7] == sorted(outcomes)
    assert studies.counts()["instances"] == 1
    assert len(queued()) == 1


def test_a_quiet_study_is_queued_for_indexing_once(
    intake: Intake, completion: CompletionTracker, stored: Stored, queued: Queued, studies: Studies
) -> None:
    """A repeated settle job, after a crash, makes no second indexing job."""
    intake.register(stored())

    completion.settle(1)
    completion.settle(1)

    assert studies.counts()["studies"] == {"queued": 1}
    assert queued().count(("index_study", 1)) == 1


def test_a_study_that_may_still_grow_waits_on(
    intake: Intake, patient_completion: CompletionTracker, stored: Stored, queued: Queued, studies: Studies
) -> None:
    """The quiet timer lives in the database: the settle job asks again later."""
    intake.register(stored())

    patient_completion.settle(1)

    assert studies.counts()["studies"] == {"receiving": 1}
    assert queued() == [("settle_study", 1)] * 2


def test_a_late_instance_reopens_an_indexed_study(
    intake: Intake, completion: CompletionTracker, stored: Stored, queued: Queued, studies: Studies
) -> None:
    """The study settles again and a new settle job waits for it."""
    intake.register(stored())
    completion.settle(1)

    intake.register(stored(sop="1.2.4", sha256="late"))

    assert studies.counts()["studies"] == {"receiving": 1}
    assert queued() == [("index_study", 1), ("settle_study", 1)]


def test_text_that_the_database_cannot_hold_is_cleaned(intake: Intake, stored: Stored, studies: Studies) -> None:
    """NUL bytes, lone surrogates and huge numbers of odd senders do not refuse an instance."""
    outcome = intake.register(stored(study_description="a\0b\ud800", instance_number=10**12))

    assert outcome == Registered.NEW


def test_a_database_that_is_away_is_one_clear_line() -> None:
    """The receiver answers 0xA700 on DatabaseDown; the message names the place, never the password."""
    away = open_database("postgresql://radir:secret@127.0.0.1:1/node", None)  # type: ignore[arg-type]  # unused with a URL

    with pytest.raises(DatabaseDown, match=r"127\.0\.0\.1:1/node does not answer") as caught, away.begin():
        pass

    assert "secret" not in str(caught.value)
    away.close()


def test_a_study_without_a_job_is_adopted(
    intake: Intake, studies: Studies, stored: Stored, queued: Queued, database: Database
) -> None:
    """Whatever lost the job of an unfinished study, the study gets a new one; nothing else is touched."""
    intake.register(stored())
    intake.register(stored(sop="9.9.1", study="9.9", sha256="other"))
    with database.begin() as connection:
        connection.exec_driver_sql("delete from jobs.procrastinate_jobs where lock = 'study:1'")

    adopted = studies.adopt()

    assert 1 == adopted == queued().count(("settle_study", 1))
    assert 0 == studies.adopt()


def test_failed_studies_are_queued_again_when_asked(
    intake: Intake, completion: CompletionTracker, stored: Stored, queued: Queued, studies: Studies
) -> None:
    """`radir reindex` takes up what failed, and leaves what has not."""
    intake.register(stored())
    completion.settle(1)
    assert studies.start(1)
    studies.fail(1, "unexpected")

    again = studies.reindex((StudyState.FAILED,))

    assert 1 == again
    assert {"queued": 1} == studies.counts()["studies"]
    assert 0 == studies.reindex((StudyState.FAILED,))
