"""When is a study complete? Messages of peers, the count at the PACS, the quiet timer, the force timer, the operator.

Everything that is known lives in the database, and every timer is a job: a restart forgets nothing. Called by the
worker's settle job, by the DICOM services for messages of peers, and by the pages for the operator.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

import procrastinate
import sqlalchemy as sa

from radir_node.catalog import jobs
from radir_node.catalog.announcements import announced, forget, forget_old, remember
from radir_node.catalog.database import Database
from radir_node.catalog.tables import delivery, instance, series, study
from radir_node.catalog.transitions import OPEN_STATES, PAUSE, Opening, QuietTimes, open_again, queue_for_indexing
from radir_node.domain.study import Completion, Evidence, StudyState
from radir_node.errors import RadirError, UnknownStudy

FORCE = dt.timedelta(hours=1)

ASK_AGAIN = dt.timedelta(seconds=5)
"""First pause before the PACS is asked again for its count; each further one is twice as long."""
LONGEST_PAUSE = dt.timedelta(minutes=5)


class Verifier(Protocol):
    """Someone who knows how large studies are: the PACS, asked by C-FIND."""

    def expected_instances(self, study_instance_uid: str) -> int | None:
        """Return Number of Study Related Instances (0020,1208) there, None when unknown. May raise PeerUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class _Question:
    """A study about which the PACS is asked, outside of any transaction."""

    study_instance_uid: str
    mark: dt.datetime
    """When its last instance came: another one meanwhile makes the answer worthless."""


@dataclass(frozen=True)
class CompletionTracker:
    """Moves open studies on to indexing. One object per process; thread-safe."""

    database: Database
    job_app: procrastinate.App
    quiet: QuietTimes
    force_after: dt.timedelta = FORCE
    """From the first instance of an open study to its indexing, whatever is still missing."""

    def settle(self, study_id: int, verifier: Verifier | None = None) -> None:
        """Queue an open study for indexing when it is complete, else wait on. Idempotent.

        The verifier is asked after the quiet time only: while a PACS passes on what it receives, its count agrees
        all the time.
        """
        question = self._without_asking(study_id, verifier is not None)
        if question is None or verifier is None:
            return
        try:
            expected = verifier.expected_instances(question.study_instance_uid)
        except RadirError:  # away, or the node is not set up to reach it: no study waits for that
            expected = None
        self._answered(study_id, question.mark, expected)

    def _without_asking(self, study_id: int, may_ask: bool) -> _Question | None:
        """Decide what can be decided from the catalogue alone; return what only the PACS can tell."""
        now = dt.datetime.now(dt.UTC)
        with self.database.begin() as connection:
            row = _locked(connection, study_id)
            if row is None or row.state not in OPEN_STATES:
                return None
            said = announced(connection, row.study_instance_uid)
            if said.complete:
                forget(connection, row.study_instance_uid)
                self._queue(connection, study_id, Completion.VERIFIED, said.evidence)
            elif row.opened_at + self.force_after <= now:
                self._queue(connection, study_id, Completion.FORCED, Evidence.FORCE_TIMER)
            elif self._due(connection, row) > now:
                self._wait(connection, row, now)
            elif may_ask:
                return _Question(row.study_instance_uid, row.last_received_at)
            elif said.more_to_come:
                self._wait_for_more(connection, row, now, None)
            else:
                self._queue(connection, study_id, Completion.UNVERIFIED, Evidence.TIMER)
            return None

    def _answered(self, study_id: int, mark: dt.datetime, expected: int | None) -> None:
        """Act on the count at the PACS, unless something came meanwhile."""
        now = dt.datetime.now(dt.UTC)
        with self.database.begin() as connection:
            row = _locked(connection, study_id)
            if row is None or row.state not in OPEN_STATES:
                return
            held = row.number_of_instances
            if row.last_received_at != mark:
                self._wait(connection, row, now)
            elif expected is not None and held <= expected <= held + _sent_and_not_held(connection, study_id):
                self._queue(connection, study_id, Completion.VERIFIED, Evidence.COUNT)
            elif expected is not None and expected > held:
                self._wait_for_more(connection, row, now, expected)
            elif announced(connection, row.study_instance_uid).more_to_come:
                self._wait_for_more(connection, row, now, None)
            else:  # the PACS does not answer, or has not got all that is here
                self._queue(connection, study_id, Completion.UNVERIFIED, Evidence.TIMER)

    def announce_complete(
        self, study_instance_uid: str, sop_instance_uids: Collection[str] | None, evidence: Evidence
    ) -> bool:
        """Take the message of a peer that a study, or these instances of it, are complete.

        True when all of it is here: an open study is queued at once, a finished one counts as verified. False when
        something is missing: the message is remembered, and what is missing queues the study when it comes. A message
        without instances about an unknown study says nothing and is dropped.
        """
        with self.database.begin() as connection:
            row = _locked(connection, study_instance_uid=study_instance_uid)
            if row is None and not sop_instance_uids:
                return False
            remember(connection, study_instance_uid, evidence, sop_instance_uids or ())
            said = announced(connection, study_instance_uid)
            if row is None or not said.complete:
                return False
            forget(connection, study_instance_uid)
            if row.state in OPEN_STATES:
                self._queue(connection, row.id, Completion.VERIFIED, said.evidence)
            elif row.completion != Completion.VERIFIED:
                values = {"completion": Completion.VERIFIED, "evidence": said.evidence}
                connection.execute(sa.update(study).where(study.c.id == row.id).values(**values))
            return True

    def force(self, study_instance_uid: str) -> bool:
        """Queue an open study as it is; False when it is not open. Raises UnknownStudy."""
        with self.database.begin() as connection:
            row = _known(connection, study_instance_uid)
            if row.state in OPEN_STATES:
                self._queue(connection, row.id, Completion.FORCED, Evidence.OPERATOR)
            return row.state in OPEN_STATES

    def reopen(self, study_instance_uid: str) -> bool:
        """Let a finished study settle and be indexed anew; False when it is not finished. Raises UnknownStudy."""
        now = dt.datetime.now(dt.UTC)
        with self.database.begin() as connection:
            row = _known(connection, study_instance_uid)
            if row.state in (*OPEN_STATES, StudyState.QUEUED, StudyState.ENCODING):
                return False
            open_again(connection, [Opening(row.id, row.last_received_at, now)])
            jobs.defer(self.job_app, connection, jobs.SETTLE, study=row.id)
            return True

    def forget_old(self) -> int:
        """Drop messages about studies that never came; return how many."""
        with self.database.begin() as connection:
            return forget_old(connection)

    def _queue(self, connection: sa.Connection, study_id: int, completion: Completion, evidence: Evidence) -> None:
        queue_for_indexing(connection, self.job_app, study_id, completion, evidence)

    def _due(self, connection: sa.Connection, row: sa.Row[Any]) -> dt.datetime:
        modalities = connection.execute(sa.select(series.c.modality).where(series.c.study_id == row.id)).scalars()
        due: dt.datetime = row.last_received_at + self.quiet.of(set(modalities))
        return due

    def _wait(self, connection: sa.Connection, row: sa.Row[Any], now: dt.datetime) -> None:
        """Look again when the quiet time is over; before that, when the study stops being shown as receiving."""
        pause_over = row.last_received_at + PAUSE <= now
        due = self._due(connection, row)
        at = due if pause_over else min(due, row.last_received_at + PAUSE)
        state = StudyState.QUIET if pause_over else StudyState.RECEIVING
        self._settle_later(connection, row, at, state=state)

    def _wait_for_more(
        self, connection: sa.Connection, row: sa.Row[Any], now: dt.datetime, expected: int | None
    ) -> None:
        pause = min(ASK_AGAIN * (1 << min(row.times_asked, 16)), LONGEST_PAUSE)
        values = {"state": StudyState.QUIET, "times_asked": row.times_asked + 1, "expected_instances": expected}
        self._settle_later(connection, row, now + pause, **values)

    def _settle_later(self, connection: sa.Connection, row: sa.Row[Any], at: dt.datetime, **values: Any) -> None:
        connection.execute(sa.update(study).where(study.c.id == row.id).values(**values))
        jobs.defer(self.job_app, connection, jobs.SETTLE, study=row.id, at=min(at, row.opened_at + self.force_after))


def _locked(connection: sa.Connection, study_id: int = 0, *, study_instance_uid: str = "") -> sa.Row[Any] | None:
    chosen = study.c.study_instance_uid == study_instance_uid if study_instance_uid else study.c.id == study_id
    return connection.execute(sa.select(study).where(chosen).with_for_update(key_share=True)).one_or_none()


def _known(connection: sa.Connection, study_instance_uid: str) -> sa.Row[Any]:
    row = _locked(connection, study_instance_uid=study_instance_uid)
    if row is None:
        raise UnknownStudy("the catalogue holds no study with this Study Instance UID")
    return row


def _sent_and_not_held(connection: sa.Connection, study_id: int) -> int:
    """Count the node's own reports that the PACS has and that did not come back from it."""
    held = sa.exists().where(instance.c.sop_instance_uid == delivery.c.sop_instance_uid, instance.c.is_current)
    sent = sa.select(sa.func.count()).where(delivery.c.study_id == study_id, delivery.c.state == "delivered", ~held)
    return int(connection.execute(sent).scalar_one())
