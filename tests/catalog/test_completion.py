"""The completion of a study, step by step on the real catalogue. No test waits: times are set in the rows."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.deliveries import Deliveries
from radir_node.catalog.intake import Intake
from radir_node.catalog.procedure_steps import ProcedureSteps
from radir_node.catalog.studies import Studies
from radir_node.catalog.tables import announcement, study
from radir_node.domain.procedure_step import ProcedureStep, ProcedureStepState
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import Evidence
from radir_node.errors import PeerUnavailable, UnknownStudy

Stored = Callable[..., StoredInstance]
Queued = Callable[[], list[tuple[str, int]]]
State = Callable[[], tuple[str, str, str]]


@dataclass
class Pacs:
    """A PACS that gives a count, or is away."""

    count: int | None
    asked: list[str] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None

    def expected_instances(self, study_instance_uid: str) -> int | None:
        self.asked.append(study_instance_uid)
        self.meanwhile()
        if self.count is None:
            raise PeerUnavailable("away")
        return self.count


@pytest.fixture
def state(database: Database) -> State:
    """Return state, completion and evidence of study 1."""

    def read() -> tuple[str, str, str]:
        with database.begin() as connection:
            row = connection.execute(
                sa.select(study.c.state, study.c.completion, study.c.evidence).where(study.c.id == 1)
            ).one()
            return tuple(row)

    return read


@pytest.fixture
def aged(database: Database) -> Callable[..., None]:
    """Move everything that study 1 got into the past."""

    def move(**past: float) -> None:
        by = dt.timedelta(**past)
        moved = {"last_received_at": study.c.last_received_at - by, "opened_at": study.c.opened_at - by}
        with database.begin() as connection:
            connection.execute(sa.update(study).values(**moved))

    return move


@pytest.fixture
def due(database: Database) -> Callable[[], float]:
    """Return in how many seconds the last settle job runs."""

    def read() -> float:
        seconds = (
            "select extract(epoch from scheduled_at - now()) from jobs.procrastinate_jobs order by id desc limit 1"
        )
        with database.begin() as connection:
            return float(connection.execute(sa.text(seconds)).scalar_one())

    return read


def test_without_a_pacs_to_ask_a_quiet_study_is_unverified(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, queued: Queued
) -> None:
    """The timer alone proves nothing, and the study says so."""
    intake.register(stored())

    completion.settle(1)

    assert ("queued", "unverified", "timer") == state()
    assert [("index_study", 1)] == queued()


def test_a_count_that_agrees_verifies(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """The PACS holds as many instances as the node."""
    intake.register_all([stored(), stored("1.2.4", sha256="b")])

    completion.settle(1, Pacs(2))

    assert ("queued", "verified", "count") == state()


def test_a_larger_count_is_asked_for_again_at_growing_intervals(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, due: Callable[[], float]
) -> None:
    """More is to come: the study stays quiet, 5, 10, 20 ... seconds, five minutes at most."""
    intake.register(stored())
    pauses = []

    for _ in range(8):
        completion.settle(1, Pacs(2))
        pauses.append(round(due()))

    assert [5, 10, 20, 40, 80, 160, 300, 300] == pauses
    assert ("quiet", "", "") == state()


def test_an_instance_that_comes_late_is_counted_at_once(
    intake: Intake, completion: CompletionTracker, stored: Stored, due: Callable[[], float]
) -> None:
    """The next question to the PACS is brought forward: nobody waits five minutes for the last image."""
    intake.register(stored())
    for _ in range(7):
        completion.settle(1, Pacs(2))

    intake.register(stored("1.2.4", sha256="b"))

    assert due() <= 1


def test_the_pacs_is_not_asked_before_the_study_is_quiet(
    intake: Intake, patient_completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """While a PACS passes on what it receives its count agrees all the time."""
    intake.register(stored())
    pacs = Pacs(1)

    patient_completion.settle(1, pacs)

    assert [] == pacs.asked
    assert "receiving" == state()[0]


def test_a_pacs_that_is_away_leaves_the_study_unverified(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """A study is not held back for a PACS that cannot be asked."""
    intake.register(stored())

    completion.settle(1, Pacs(None))

    assert ("queued", "unverified", "timer") == state()


def test_a_pacs_that_holds_less_confirms_nothing(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """Modalities may send to the node first."""
    intake.register_all([stored(), stored("1.2.4", sha256="b")])

    completion.settle(1, Pacs(1))

    assert ("queued", "unverified", "timer") == state()


def test_an_instance_that_comes_while_the_pacs_is_asked_voids_the_answer(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """No transaction is open while the PACS is asked; what comes meanwhile is seen."""
    intake.register(stored())

    completion.settle(1, Pacs(1, meanwhile=lambda: intake.register(stored("1.2.4", sha256="b"))))

    assert "receiving" == state()[0]


def test_our_own_report_at_the_pacs_does_not_keep_a_study_open(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, database: Database
) -> None:
    """The PACS counts the report that the node sent to it; the node does not hold it as an instance."""
    intake.register(stored())
    deliveries = Deliveries(database, completion.job_app)
    deliveries.queue(1, "1.2.9001", "results/a.dcm", "pacs")
    deliveries.delivered([item.id for item in deliveries.claim("pacs")])

    completion.settle(1, Pacs(2))

    assert ("queued", "verified", "count") == state()


def test_the_force_timer_ends_every_waiting(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, aged: Callable[..., None]
) -> None:
    """An hour after its first instance a study is indexed as it is, whatever is still missing."""
    intake.register(stored())
    aged(minutes=61)
    pacs = Pacs(300)

    completion.settle(1, pacs)

    assert ("queued", "forced", "force timer") == state()
    assert [] == pacs.asked


def test_the_force_timer_starts_anew_when_a_study_is_reopened(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, aged: Callable[..., None]
) -> None:
    """A late instance of last year's study is waited for like those of a new one."""
    intake.register(stored())
    completion.settle(1)
    aged(days=365)
    intake.register(stored("1.2.4", sha256="b"))

    completion.settle(1, Pacs(3))

    assert ("quiet", "", "") == state()


@pytest.mark.parametrize("evidence", [Evidence.IAN, Evidence.MPPS, Evidence.COMMITMENT])
def test_a_message_about_what_is_here_queues_at_once(
    intake: Intake,
    patient_completion: CompletionTracker,
    stored: Stored,
    state: State,
    queued: Queued,
    evidence: Evidence,
) -> None:
    """The quiet time is not waited for, and no timer of the study is left to hold its indexing up."""
    intake.register(stored())

    complete = patient_completion.announce_complete("1.2", ["1.2.3"], evidence)

    assert complete
    assert ("queued", "verified", evidence) == state()
    assert [("index_study", 1)] == queued()


def test_a_message_without_instances_is_about_what_is_here(
    intake: Intake, patient_completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """About an unknown study it says nothing, and is forgotten: its first instance must not complete it."""
    before = patient_completion.announce_complete("1.2", None, Evidence.IAN)
    intake.register(stored())
    opened = state()[0]

    after = patient_completion.announce_complete("1.2", None, Evidence.IAN)

    assert (False, "receiving", True, "queued") == (before, opened, after, state()[0])


def test_a_message_ahead_of_its_instances_is_remembered(
    intake: Intake, patient_completion: CompletionTracker, stored: Stored, state: State, database: Database
) -> None:
    """The last of them queues the study; nothing is left to remember then."""
    complete = patient_completion.announce_complete("1.2", ["1.2.3", "1.2.4"], Evidence.IAN)
    intake.register(stored())
    between = state()

    intake.register(stored("1.2.4", sha256="b"))

    assert not complete
    assert ("receiving", "", "") == between
    assert ("queued", "verified", "ian") == state()
    with database.begin() as connection:
        assert [] == connection.execute(sa.select(announcement)).all()


def test_a_study_of_which_more_was_announced_waits(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, aged: Callable[..., None]
) -> None:
    """The quiet timer does not overrule a peer that named more; the count and the force timer do."""
    completion.announce_complete("1.2", ["1.2.3", "1.2.4"], Evidence.COMMITMENT)
    intake.register(stored())

    completion.settle(1)
    waiting = state()
    aged(minutes=61)
    completion.settle(1)

    assert ("quiet", "", "") == waiting
    assert ("queued", "forced", "force timer") == state()


def test_the_last_announced_instance_after_the_force_timer_verifies_after_all(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, aged: Callable[..., None]
) -> None:
    """What was announced is remembered beyond the timers."""
    completion.announce_complete("1.2", ["1.2.3", "1.2.4"], Evidence.IAN)
    intake.register(stored())
    aged(minutes=61)
    completion.settle(1)

    intake.register(stored("1.2.4", sha256="b"))

    assert ("queued", "verified", "ian") == state()


def test_messages_of_one_kind_add_up(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """Two performed steps of one study: the instances of both are waited for."""
    completion.announce_complete("1.2", ["1.2.3"], Evidence.MPPS)
    completion.announce_complete("1.2", ["1.2.4"], Evidence.MPPS)
    intake.register(stored())
    one = state()[0]

    intake.register(stored("1.2.4", sha256="b"))

    assert ("receiving", "queued") == (one, state()[0])


def test_a_step_in_progress_holds_its_study_open(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, database: Database
) -> None:
    """While a modality still works on a study it is not complete, whatever is here; its last step completes it."""
    steps = ProcedureSteps(database)
    step = ProcedureStep("1.9.1", ProcedureStepState.IN_PROGRESS, ("1.2",), "CT1", b"")
    steps.create(step)
    intake.register(stored())
    completion.announce_complete("1.2", ["1.2.3"], Evidence.MPPS)
    completion.settle(1)
    waiting = state()[0]

    steps.change("1.9.1", lambda _: ProcedureStep("1.9.1", ProcedureStepState.COMPLETED, ("1.2",), "CT1", b""))
    completion.settle(1)

    assert "quiet" == waiting
    assert ("queued", "verified", "mpps") == state()


def test_a_message_about_an_indexed_study_verifies_it(
    intake: Intake, completion: CompletionTracker, stored: Stored, state: State, queued: Queued
) -> None:
    """It need not be indexed again."""
    intake.register(stored())
    completion.settle(1)
    before = queued()

    completion.announce_complete("1.2", ["1.2.3"], Evidence.IAN)

    assert ("queued", "verified", "ian") == state()
    assert before == queued()


def test_the_operator_forces_an_open_study(
    intake: Intake, patient_completion: CompletionTracker, stored: Stored, state: State
) -> None:
    """Once: a study that is on its way already is left alone."""
    intake.register(stored())

    first, second = patient_completion.force("1.2"), patient_completion.force("1.2")

    assert (True, False) == (first, second)
    assert ("queued", "forced", "operator") == state()


def test_the_operator_reopens_a_finished_study(
    intake: Intake, completion: CompletionTracker, studies: Studies, stored: Stored, state: State, queued: Queued
) -> None:
    """It settles anew: the PACS is asked once more."""
    intake.register(stored())
    completion.settle(1)
    assert studies.start(1)
    studies.fail(1, "unexpected")

    first, second = completion.reopen("1.2"), completion.reopen("1.2")

    assert (True, False) == (first, second)
    assert ("receiving", "", "") == state()
    assert [("index_study", 1), ("settle_study", 1)] == queued()


def test_an_unknown_study_can_be_neither_forced_nor_reopened(completion: CompletionTracker) -> None:
    """The operator is told."""
    for act in (completion.force, completion.reopen):
        with pytest.raises(UnknownStudy):
            act("9.9")


def test_messages_about_studies_that_never_came_are_forgotten(
    completion: CompletionTracker, database: Database
) -> None:
    """After a month."""
    completion.announce_complete("1.2", ["1.2.3"], Evidence.IAN)
    completion.announce_complete("1.3", ["1.3.3"], Evidence.IAN)
    with database.begin() as connection:
        old = announcement.c.study_instance_uid == "1.2"
        month_ago = sa.func.now() - dt.timedelta(days=31)
        connection.execute(sa.update(announcement).where(old).values(at=month_ago))

    assert 1 == completion.forget_old()
    assert 0 == completion.forget_old()
