"""What people see of the exchange with peers: studies that wait, what is owed, who did what about it."""

from collections.abc import Callable

import procrastinate
import pytest

from radir_node.catalog.attempts import Backoff
from radir_node.catalog.commitments import Commitments
from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.deliveries import Deliveries
from radir_node.catalog.exchange import Exchange, Owed
from radir_node.catalog.intake import Intake
from radir_node.catalog.operator_actions import Action, OperatorActions
from radir_node.catalog.procedure_steps import ProcedureSteps
from radir_node.domain.commitment import CommitmentRequest, SopReference
from radir_node.domain.procedure_step import ProcedureStep, ProcedureStepState
from radir_node.domain.stored import Refusal, StoredInstance
from radir_node.domain.study import Completion, Evidence

Stored = Callable[..., StoredInstance]


@pytest.fixture
def exchange(database: Database) -> Exchange:
    return Exchange(database)


def test_an_open_study_says_what_it_waits_for(
    database: Database,
    exchange: Exchange,
    intake: Intake,
    patient_completion: CompletionTracker,
    stored: Stored,
) -> None:
    """Instances that a peer announced and that are missing, and a procedure step that is still going on."""
    intake.register(stored("1.2.3.1"))
    patient_completion.announce_complete("1.2", ["1.2.3.1", "1.2.3.2", "1.2.3.3"], Evidence.IAN)
    ProcedureSteps(database).create(ProcedureStep("1.2.9", ProcedureStepState.IN_PROGRESS, ("1.2",), "CT1", b""))

    (study,) = exchange.open_studies(10)

    assert (1, 2, True, "DX") == (
        study["number_of_instances"],
        study["missing"],
        study["in_progress"],
        study["modalities"],
    )
    assert 0 == sum(exchange.completions().values())


def test_a_complete_study_is_counted_by_how_that_was_established(
    exchange: Exchange, intake: Intake, completion: CompletionTracker, stored: Stored
) -> None:
    """One by its timer, one by the operator; a study on its way to the index can still not be reopened."""
    for study in ("1.2", "1.3"):
        intake.register(stored(f"{study}.1", study=study))
    completion.settle(1)
    completion.force("1.3")

    found = exchange.completions()

    assert {Completion.VERIFIED: 0, Completion.UNVERIFIED: 1, Completion.FORCED: 1} == found
    assert ([], []) == (exchange.open_studies(10), exchange.finished_studies(10))


def test_what_is_owed_lists_the_dead_first(
    database: Database, app: procrastinate.App, exchange: Exchange, intake: Intake, stored: Stored
) -> None:
    """With peer, reason and next attempt; what was delivered is owed no more."""
    intake.register(stored())
    deliveries = Deliveries(database, app)
    for name in ("waits", "delivered", "dead"):
        deliveries.queue(1, f"1.2.{name}", f"results/{name}.dcm", "pacs")
    waiting, delivered, dead = (item.id for item in deliveries.claim("pacs"))
    deliveries.postponed("pacs", [waiting], "connection refused")
    deliveries.delivered([delivered])
    deliveries.given_up([dead], "C-STORE status 0x0122")

    found = exchange.deliveries()

    assert [("dead", 1, "C-STORE status 0x0122"), ("waiting", 1, "connection refused")] == [
        (row["state"], row["attempts"], row["reason"]) for row in found
    ]
    assert {"1.2"} == {row["study_instance_uid"] for row in found}
    assert Owed(1, 1, 0, 0) == exchange.owed()


def test_a_report_is_owed_until_it_is_delivered(
    database: Database, app: procrastinate.App, exchange: Exchange, tmp_path: object
) -> None:
    """Listed with the AE title that asked and how much it asked about; a dead one counts apart."""
    commitments = Commitments(database, app, tmp_path, backoff=Backoff(attempts=1))  # type: ignore[arg-type]
    references = [SopReference("1.2.840.10008.5.1.4.1.1.7", f"1.2.3.{n}") for n in range(3)]
    commitments.accept(CommitmentRequest("2.25.1", "PACS", references))
    before = exchange.owed()
    due = commitments.take("PACS")
    assert due is not None
    commitments.postponed(due, "no route to host")

    (row,) = exchange.reports()

    assert Owed(0, 0, 1, 0) == before
    assert Owed(0, 0, 0, 1) == exchange.owed()
    assert ("PACS", 3, "dead", "no route to host") == (
        row["calling_ae_title"],
        row["instances"],
        row["state"],
        row["reason"],
    )


def test_refusals_are_listed_by_reason_and_sender(exchange: Exchange, intake: Intake) -> None:
    """Whatever the SOP class; the newest kind first."""
    intake.refuse_all([Refusal("not accepted", "CT1", "1.2.1"), Refusal("not accepted", "CT1", "1.2.2")])
    intake.refuse_all([Refusal("not accepted", "US1", "1.2.1")])

    found = exchange.refusals(10)

    assert [("not accepted", "US1", 1), ("not accepted", "CT1", 2)] == [row[:3] for row in found]


def test_an_action_is_kept_with_actor_and_outcome(database: Database, intake: Intake, stored: Stored) -> None:
    """A study is shown by its pseudonym, never by an identifier; newest first."""
    intake.register(stored())
    actions = OperatorActions(database)
    actions.note("pages:keeper", Action.ECHO, "answered", peer="pacs")
    actions.note("command line", Action.COMPLETE, "queued", study_id=1)

    newest, older = actions.recent(5)

    assert ("command line", "complete study", "queued") == (newest.actor, newest.action, newest.outcome)
    assert newest.subject.startswith("RADIR-")
    assert ("C-ECHO", "pacs") == (older.action, older.subject)
