import datetime as dt
from dataclasses import replace

import pytest
import sqlalchemy as sa

from radir_node.catalog.database import Database
from radir_node.catalog.procedure_steps import ProcedureSteps
from radir_node.catalog.tables import mpps
from radir_node.domain.procedure_step import ProcedureStep, ProcedureStepState

STEP = ProcedureStep("1.9.1", ProcedureStepState.IN_PROGRESS, ("1.2",), "CT1", b"attributes")


@pytest.fixture
def steps(database: Database) -> ProcedureSteps:
    made = ProcedureSteps(database)
    made.create(STEP)
    return made


def test_a_step_is_made_once(steps: ProcedureSteps) -> None:
    """A second N-CREATE under its SOP Instance UID is a duplicate, and changes nothing."""
    again = steps.create(replace(STEP, dataset=b"other"))

    assert not again
    assert STEP == steps.change("1.9.1", lambda step: step)


def test_a_change_is_kept(steps: ProcedureSteps) -> None:
    """State, studies and attributes are what the change made of them."""
    done = replace(STEP, state=ProcedureStepState.COMPLETED, study_instance_uids=("1.2", "1.3"), dataset=b"all")

    changed = steps.change("1.9.1", lambda _: done)

    assert done == changed
    assert done == steps.change("1.9.1", lambda step: step)


def test_a_change_that_is_refused_changes_nothing(steps: ProcedureSteps) -> None:
    """What the change raises comes out: a completed step may no longer be updated."""

    def refuse(step: ProcedureStep) -> ProcedureStep:
        raise ValueError("may no longer be updated")

    with pytest.raises(ValueError, match="no longer"):
        steps.change("1.9.1", refuse)

    assert STEP == steps.change("1.9.1", lambda step: step)


def test_an_unknown_step_cannot_be_changed(steps: ProcedureSteps) -> None:
    """The caller answers "no such object instance"."""
    assert steps.change("1.9.2", lambda step: step) is None


def test_old_steps_are_forgotten(steps: ProcedureSteps, database: Database) -> None:
    """After three months without a change."""
    young = steps.forget_old()
    with database.begin() as connection:
        connection.execute(sa.update(mpps).values(updated_at=sa.func.now() - dt.timedelta(days=91)))

    assert (0, 1) == (young, steps.forget_old())
