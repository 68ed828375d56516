"""Rows of what arrives: instance, series, study and settle job, in one transaction. Called by the DICOM receiver."""

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import procrastinate
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog import jobs
from radir_node.catalog.database import Database
from radir_node.catalog.tables import instance, issued_sr, refusal, series, study
from radir_node.domain.identity import case_id, patient_code
from radir_node.domain.stored import Registered, StoredInstance
from radir_node.domain.study import InstanceHeader, StudyState

OPEN_STATES = (StudyState.RECEIVING, StudyState.QUIET)
"""A settle job is pending for a study in one of these."""

PAUSE = dt.timedelta(seconds=1)
"""A study that got nothing for this long is shown as quiet rather than receiving."""


@dataclass(frozen=True)
class QuietTimes:
    """Seconds without a new instance after which a study counts as complete."""

    radiograph: float
    ct: float

    def of(self, modalities: Collection[str]) -> dt.timedelta:
        return dt.timedelta(seconds=self.ct if "CT" in modalities else self.radiograph)


@dataclass(frozen=True)
class Intake:
    """Writes what the receiver made durable. One object per process; thread-safe."""

    database: Database
    job_app: procrastinate.App
    secret: bytes
    quiet: QuietTimes
    duplicate_policy: Literal["keep", "replace"] = "replace"

    def register(self, stored: StoredInstance) -> Registered:
        """Record one durable instance. Raises DatabaseDown; the caller then must not acknowledge it."""
        header = stored.header
        with self.database.begin() as connection:
            study_id, state = self._touch_study(connection, stored)
            current = connection.execute(
                sa.select(instance.c.id, instance.c.sha256, series.c.study_id)
                .join(series, series.c.id == instance.c.series_id)
                .where(instance.c.sop_instance_uid == header.sop_instance_uid, instance.c.is_current)
                .with_for_update(of=instance)
            ).one_or_none()
            if current is not None:
                if current.sha256 == stored.sha256:
                    return Registered.SAME
                if self.duplicate_policy == "keep":
                    if state is None:  # made a moment ago for this instance alone; nothing would ever settle it
                        connection.execute(sa.delete(study).where(study.c.id == study_id))
                    return Registered.KEPT
                connection.execute(sa.update(instance).where(instance.c.id == current.id).values(is_current=False))
                if current.study_id != study_id:  # it moved (a corrected Study Instance UID): the other study lost it
                    self._reopen(connection, current.study_id, _locked_state(connection, current.study_id), stored)
            key = self._series(connection, header, study_id)
            connection.execute(sa.insert(instance).values(**instance_values(stored), series_id=key))
            if state is None or state in OPEN_STATES or not _made_here(connection, header.sop_instance_uid):
                self._reopen(connection, study_id, state, stored)
            return Registered.NEW if current is None else Registered.REPLACED

    def _touch_study(self, connection: sa.Connection, stored: StoredInstance) -> tuple[int, str | None]:
        """Make sure the study exists and lock its row; return its id and its state (None when it is new)."""
        values = {
            **study_values(stored.header),
            "patient_code": patient_code(self.secret, stored.header),
            "case_id": case_id(self.secret, stored.header.study_instance_uid),
        }
        made = connection.execute(
            insert(study)
            .values(**values, last_received_at=stored.received)
            .on_conflict_do_nothing(index_elements=[study.c.study_instance_uid])
            .returning(study.c.id)
        ).scalar_one_or_none()
        if made is not None:
            return made, None
        uid = stored.header.study_instance_uid
        row = connection.execute(
            sa.select(study.c.id, study.c.state).where(study.c.study_instance_uid == uid).with_for_update()
        ).one()
        return row.id, row.state

    def _series(self, connection: sa.Connection, header: InstanceHeader, study_id: int) -> int:
        key = {"study_id": study_id, "series_instance_uid": header.series_instance_uid}
        names = ("modality", "series_number", "series_description", "body_part_examined")
        connection.execute(
            insert(series).values(**key, **{n: storable(getattr(header, n)) for n in names}).on_conflict_do_nothing()
        )
        same = sa.select(series.c.id).where(*(series.c[name] == value for name, value in key.items()))
        return int(connection.execute(same).scalar_one())

    def _reopen(self, connection: sa.Connection, study_id: int, state: str | None, stored: StoredInstance) -> None:
        """The quiet timer starts anew; a settle job is made unless one is pending already."""
        values = {"state": StudyState.RECEIVING, "reason": "", "last_received_at": stored.received}
        connection.execute(sa.update(study).where(study.c.id == study_id).values(**values))
        if state not in OPEN_STATES:
            wait = min(PAUSE, self.quiet.of({stored.header.modality}))
            jobs.defer(self.job_app, connection, jobs.SETTLE, study=study_id, at=stored.received + wait)

    def refuse(self, reason: str, calling_ae_title: str, sop_class_uid: str) -> None:
        """List an instance that was not accepted. The reason holds no identifier."""
        values = {"reason": reason, "calling_ae_title": calling_ae_title, "sop_class_uid": sop_class_uid}
        with self.database.begin() as connection:
            connection.execute(sa.insert(refusal).values(**values))

    def adopt(self) -> int:
        """Give a job to every unfinished study that has none, whatever became of it; return how many there were."""
        waiting = sa.text("select 1 from jobs.procrastinate_jobs where status in ('todo', 'doing') and lock = :lock")
        unfinished = (*OPEN_STATES, StudyState.QUEUED, StudyState.ENCODING)
        with self.database.begin() as connection:
            rows = connection.execute(
                sa.select(study.c.id, study.c.state)
                .where(study.c.state.in_(unfinished))
                .with_for_update(skip_locked=True)
            ).all()
            orphans = [row for row in rows if not connection.execute(waiting, {"lock": f"study:{row.id}"}).first()]
            for row in orphans:
                task = jobs.SETTLE if row.state in OPEN_STATES else jobs.INDEX
                jobs.defer(self.job_app, connection, task, study=row.id)
        return len(orphans)

    def reindex(self, states: Collection[StudyState], study_instance_uid: str = "") -> int:
        """Queue studies in those states for indexing again, all or one; return how many."""
        chosen: sa.ColumnElement[bool] = study.c.state.in_(states)
        if study_instance_uid:
            chosen &= study.c.study_instance_uid == study_instance_uid
        with self.database.begin() as connection:
            ids = connection.execute(
                sa.update(study).where(chosen).values(state=StudyState.QUEUED, reason="").returning(study.c.id)
            ).scalars()
            found = list(ids)
            for key in found:
                jobs.defer(self.job_app, connection, jobs.INDEX, study=key)
        return len(found)

    def settle(self, study_id: int) -> None:
        """Queue the study for indexing when its quiet time has passed, else wait on. Idempotent."""
        with self.database.begin() as connection:
            row = connection.execute(
                sa.select(study.c.state, study.c.last_received_at).where(study.c.id == study_id).with_for_update()
            ).one_or_none()
            if row is None or row.state not in OPEN_STATES:
                return
            modalities = connection.execute(sa.select(series.c.modality).where(series.c.study_id == study_id)).scalars()
            now = dt.datetime.now(dt.UTC)
            due = row.last_received_at + self.quiet.of(set(modalities))
            if due > now:
                self._wait(connection, study_id, row.last_received_at, due, now)
                return
            connection.execute(sa.update(study).where(study.c.id == study_id).values(state=StudyState.QUEUED))
            jobs.defer(self.job_app, connection, jobs.INDEX, study=study_id)

    def _wait(
        self, connection: sa.Connection, study_id: int, last: dt.datetime, due: dt.datetime, now: dt.datetime
    ) -> None:
        pause_over = last + PAUSE <= now
        state = StudyState.QUIET if pause_over else StudyState.RECEIVING
        connection.execute(sa.update(study).where(study.c.id == study_id).values(state=state))
        at = due if pause_over else min(due, last + PAUSE)
        jobs.defer(self.job_app, connection, jobs.SETTLE, study=study_id, at=at)


def _locked_state(connection: sa.Connection, study_id: int) -> str:
    state = sa.select(study.c.state).where(study.c.id == study_id).with_for_update()
    return str(connection.execute(state).scalar_one())


def _made_here(connection: sa.Connection, sop_instance_uid: str) -> bool:
    """Say whether this is a report of our own that comes back from a PACS: it tells nothing new about its study.

    To index the study again would push another report for every one that comes back, as long as the archive grows.
    """
    made = sa.exists().where(issued_sr.c.sop_instance_uid == sop_instance_uid)
    return bool(connection.execute(sa.select(made)).scalar_one())


def study_values(header: InstanceHeader) -> Mapping[str, Any]:
    """Columns of `study` that come from any one of its instances."""
    names = [c.name for c in study.c if c.name in InstanceHeader.__dataclass_fields__ and c.name != "modality"]
    return {name: storable(getattr(header, name)) for name in names}


def storable(value: Any) -> Any:
    """Return a header value as Postgres can hold it: no NUL or lone surrogate in text, no number beyond its column."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not -(2**31) <= value < 2**31:
        return None
    return value


def instance_values(stored: StoredInstance) -> Mapping[str, Any]:
    """Columns of `instance` that describe the object and its file."""
    names = ("sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "instance_number", "rows", "columns")
    return {
        **{name: storable(getattr(stored.header, name)) for name in (*names, "number_of_frames")},
        "path": stored.path,
        "size_bytes": stored.size,
        "sha256": stored.sha256,
        "calling_ae_title": stored.calling_ae_title,
        "received_at": stored.received,
    }
