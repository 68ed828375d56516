"""Modality Performed Procedure Steps that were reported to the node; those in progress hold their studies open.

Implements dicom_services.scp.ports.ProcedureStepPort. What a completed step produced is announced to completion.py.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import mpps
from radir_node.domain.procedure_step import ProcedureStep, ProcedureStepState

MEMORY = dt.timedelta(days=90)
"""A step is known for so long: its attributes may fill megabytes, and its study is indexed within hours."""


@dataclass(frozen=True)
class ProcedureSteps:
    """One object per process; thread-safe."""

    database: Database

    def create(self, step: ProcedureStep) -> bool:
        """Keep a new step (N-CREATE); False when its SOP Instance UID is known already."""
        with self.database.begin() as connection:
            fresh = insert(mpps).values(_values(step)).on_conflict_do_nothing().returning(mpps.c.sop_instance_uid)
            return connection.execute(fresh).scalar_one_or_none() is not None

    def change(self, sop_instance_uid: str, change: Callable[[ProcedureStep], ProcedureStep]) -> ProcedureStep | None:
        """Replace a step by what `change` makes of it (N-SET), while nobody else can; None when there is no such step.

        What `change` raises comes out, and nothing is changed then.
        """
        this = mpps.c.sop_instance_uid == sop_instance_uid
        with self.database.begin() as connection:
            row = connection.execute(sa.select(mpps).where(this).with_for_update()).one_or_none()
            if row is None:
                return None
            changed = change(_step(row))
            connection.execute(sa.update(mpps).where(this).values(**_values(changed), updated_at=sa.func.now()))
            return changed

    def forget_old(self) -> int:
        """Remove steps that nobody has changed for a long time; return how many."""
        with self.database.begin() as connection:
            return connection.execute(sa.delete(mpps).where(mpps.c.updated_at < sa.func.now() - MEMORY)).rowcount


def _values(step: ProcedureStep) -> dict[str, Any]:
    return {
        "sop_instance_uid": step.sop_instance_uid,
        "state": step.state,
        "study_instance_uids": list(step.study_instance_uids),
        "calling_ae_title": step.calling_ae_title,
        "dataset": step.dataset,
    }


def _step(row: sa.Row[Any]) -> ProcedureStep:
    state, studies = ProcedureStepState(row.state), tuple(row.study_instance_uids)
    return ProcedureStep(row.sop_instance_uid, state, studies, row.calling_ae_title, row.dataset)
