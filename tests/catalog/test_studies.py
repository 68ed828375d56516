import datetime as dt
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.cases import Cases
from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.query_retrieve import Holdings
from radir_node.catalog.studies import Studies
from radir_node.catalog.tables import measure
from radir_node.catalog.vectors import Vectors
from radir_node.domain.embedding import GLOBAL, Encoded, ModelVersion
from radir_node.domain.indexing import Outcome, StudyWork
from radir_node.domain.report import ParsedReport, ReportText, Status, Tag
from radir_node.domain.stored import Registered, StoredInstance
from radir_node.domain.study import Modality, StudyState

Stored = Callable[..., StoredInstance]

MODEL = ModelVersion("tiny", Modality.CXR, "0" * 64, "p1", ("heart",))


@pytest.fixture
def work(intake: Intake, completion: CompletionTracker, studies: Studies, stored: Stored) -> StudyWork:
    """A study that the worker has taken up."""
    intake.register(stored())
    completion.settle(1)
    taken = studies.start(1)
    assert taken is not None
    return taken


def indexed(direction: int = 0) -> Outcome:
    vector = np.eye(512, dtype=np.float32)[direction]
    tag = Tag("cardiomegaly", "heart", Status.PRESENT, 0, 5, 0, 20, "test")
    return Outcome(
        StudyState.INDEXED,
        modality=Modality.CXR,
        model=MODEL,
        encoded=(Encoded("1.2.3", {GLOBAL: vector, "heart": vector}, features={"ctr": 0.6}),),
        reports=((ReportText("1.2.9", "Heart is enlarged."), ParsedReport((tag,), "en", "t1")),),
        not_indexable={"1.2.4": "lateral view"},
    )


def test_taking_a_study_up_yields_its_instances_and_headers(work: StudyWork) -> None:
    """The worker reads nothing else from the catalogue."""
    (path, header), *rest = work.instances

    assert (
        path, header.sop_instance_uid, header.study_instance_uid, header.modality, header.patient_id,
    ) == ("instances/a.dcm", "1.2.3", "1.2", "DX", "P1")  # fmt: skip
    assert rest == []


def test_finishing_writes_vectors_reports_and_state_together(
    work: StudyWork, studies: Studies, database: Database
) -> None:
    """After `finish` the study is searchable and its report is tagged."""
    written = studies.finish(work, indexed())

    assert written
    case = Cases(database).by_uid("1.2")
    assert case is not None
    assert (case.state, case.has_vectors, case.reports[0].tags[0].finding) == (StudyState.INDEXED, True, "cardiomegaly")
    assert {GLOBAL, "heart"} == {row.partition.anatomy for row in Vectors(database).rows()}


def test_indexing_again_replaces_vectors_and_tells_the_index(
    work: StudyWork, studies: Studies, intake: Intake, completion: CompletionTracker, stored: Stored, database: Database
) -> None:
    """A reopened study is indexed exactly once: old rows go, new rows come, both are in the change log."""
    studies.finish(work, indexed())
    before = {row.id for row in Vectors(database).rows()}
    intake.register(stored(sop="1.2.5", sha256="late"))
    completion.settle(1)
    again = studies.start(1)
    assert again is not None

    studies.finish(again, indexed(direction=1))

    after = {row.id for row in Vectors(database).rows()}
    assert not before & after
    assert before | after == set(Vectors(database).changes_since("0").ids)


def test_indexing_again_unchanged_leaves_the_index_alone(
    work: StudyWork, studies: Studies, intake: Intake, completion: CompletionTracker, stored: Stored, database: Database
) -> None:
    """The node's own report coming back from the PACS must not change the index, or reports would circle for ever."""
    studies.finish(work, indexed())
    before = [row.id for row in Vectors(database).rows()]
    watermark = Vectors(database).watermark()
    intake.register(stored(sop="1.2.9001", sha256="own report", modality="SR"))
    completion.settle(1)
    again = studies.start(1)
    assert again is not None

    studies.finish(again, indexed())

    assert before == [row.id for row in Vectors(database).rows()]
    assert () == Vectors(database).changes_since(watermark).ids


def test_vectors_of_series_that_did_not_change_are_named_and_kept(
    work: StudyWork,
    studies: Studies,
    intake: Intake,
    completion: CompletionTracker,
    stored: Stored,
    database: Database,
) -> None:
    """A late instance in another series leaves the vectors of the first as they are, rows and measures included."""
    studies.finish(work, indexed())
    before = [row.id for row in Vectors(database).rows()]
    late = stored(sop="1.2.5", sha256="late")
    intake.register(replace(late, header=replace(late.header, series_instance_uid="1.2.77")))
    completion.settle(1)
    again = studies.start(1)
    assert again is not None

    studies.finish(again, replace(indexed(), encoded=(), kept=frozenset(again.unchanged)))

    assert {"1.2.3": MODEL.id} == again.unchanged
    assert before == [row.id for row in Vectors(database).rows()]
    with database.begin() as connection:
        assert [0.6] == connection.execute(sa.select(measure.c.value)).scalars().all()


@pytest.mark.parametrize("change", ["late instance", "correction", "reindex"])
def test_vectors_of_a_series_that_changed_are_made_anew(
    work: StudyWork, studies: Studies, intake: Intake, completion: CompletionTracker, stored: Stored, change: str
) -> None:
    """Another instance, another content, or an operator who asked for it."""
    studies.finish(work, indexed())
    if change == "reindex":
        studies.reindex([StudyState.INDEXED])
    else:
        intake.register(stored(sop="1.2.5" if change == "late instance" else "1.2.3", sha256="other"))
        completion.settle(1)

    again = studies.start(1)

    assert again is not None
    assert {} == again.unchanged


def test_our_own_report_that_comes_back_reopens_nothing(
    work: StudyWork, studies: Studies, intake: Intake, stored: Stored, database: Database
) -> None:
    """It is held like any instance; but a study indexed again for it would push yet another report."""
    studies.finish(work, indexed())
    Holdings(database).remember("1.2.9001", "1.2.9000", 1, "results/1.2.9001.0.dcm")

    outcome = intake.register(stored(sop="1.2.9001", sha256="own report", modality="SR"))

    assert outcome == Registered.NEW
    assert [(s["state"], s["instances"]) for s in studies.list()] == [("indexed", 2)]


def test_an_instance_that_moves_to_another_study_leaves_the_first(
    work: StudyWork, studies: Studies, intake: Intake, completion: CompletionTracker, stored: Stored, database: Database
) -> None:
    """A corrected Study Instance UID: the new study is indexed whichever goes first, and the old one is done again."""
    studies.finish(work, indexed())
    intake.register(stored(study="1.9", sha256="moved"))
    moved = Cases(database).by_uid("1.9")
    assert moved is not None
    completion.settle(moved.id)
    taken = studies.start(moved.id)
    assert taken is not None

    written = studies.finish(taken, indexed())

    assert written
    left = Cases(database).by_uid("1.2")
    assert left is not None
    assert left.state == StudyState.RECEIVING


def test_a_study_reopened_while_it_is_encoded_is_not_written(
    work: StudyWork, studies: Studies, intake: Intake, stored: Stored, database: Database
) -> None:
    """The late instance wins: nothing half-old is stored, and the study waits for its quiet time again."""
    intake.register(stored(sop="1.2.5", sha256="late"))

    written = studies.finish(work, indexed())

    assert not written
    assert list(Vectors(database).rows()) == []
    assert studies.counts()["studies"] == {"receiving": 1}


def test_a_study_that_is_not_queued_is_not_taken_up(work: StudyWork, studies: Studies) -> None:
    """A job delivered twice does nothing the second time."""
    studies.finish(work, indexed())

    assert studies.start(1) is None


def test_a_failed_study_says_why(work: StudyWork, studies: Studies) -> None:
    """The reason is what people see."""
    studies.fail(work.study_id, "unexpected ValueError while indexing")

    assert [(s["state"], s["reason"]) for s in studies.list()] == [("failed", "unexpected ValueError while indexing")]


def test_a_postponed_study_has_a_job_for_its_next_try(
    work: StudyWork, studies: Studies, queued: Callable[[], list[tuple[str, int]]]
) -> None:
    """State and job change together; a new job counts only the deaths of workers, not how often an encoder was away."""
    before = queued()

    studies.postpone(1, "the encoder is away")

    assert [(s["state"], s["reason"]) for s in studies.list()] == [("queued", "the encoder is away")]
    assert [*before, ("index_study", 1)] == queued()


def test_a_push_that_waits_for_its_pacs_does_not_hold_up_its_study(
    intake: Intake, stored: Stored, studies: Studies, database: Database
) -> None:
    """A late instance is settled at once although an older job of the study waits for its next try."""
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    with database.begin() as connection:
        jobs.defer(studies.job_app, connection, jobs.PUSH, study=1, at=later)
    intake.register(stored())

    with database.begin() as connection:
        fetched = sa.text("select task_name from jobs.procrastinate_fetch_job_v2(null, null)")
        assert connection.execute(fetched).scalar_one() == jobs.SETTLE


def test_any_number_of_changes_can_be_caught_up_with(work: StudyWork, studies: Studies, database: Database) -> None:
    """A statement may have 65535 parameters; the list of changed vectors may be longer."""
    studies.finish(work, indexed())

    found = list(Vectors(database).rows(range(1, 70_000)))

    assert len(found) == 2


def test_a_change_is_seen_once_whatever_the_commit_order(work: StudyWork, studies: Studies, database: Database) -> None:
    """An open transaction holds the watermark back instead of losing its row (spec search 3.3)."""
    vectors = Vectors(database)
    with database.begin() as other:
        other.exec_driver_sql("insert into index_change (op, embedding_id) values ('upsert', 999)")
        studies.finish(work, indexed())
        early = vectors.changes_since("0")
    late = vectors.changes_since(early.watermark)

    assert early.ids == ()
    assert 999 in late.ids
    assert len(late.ids) == 3
