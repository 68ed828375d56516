"""Rows of what arrives: instances, series, studies and their settle jobs, in one transaction. Called by the DICOM side.

What is not accepted is counted here too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import procrastinate
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog import jobs
from radir_node.catalog.announcements import announced, forget, with_messages
from radir_node.catalog.database import Database
from radir_node.catalog.registration import Registration, TouchedStudy
from radir_node.catalog.tables import refusal
from radir_node.catalog.transitions import PAUSE, Opening, QuietTimes, open_again, queue_for_indexing
from radir_node.domain.stored import Refusal, Registered, StoredInstance
from radir_node.domain.study import Completion

MOST_REFUSALS = 1000
"""Kinds of refusal that are listed; of more, those seen last. A peer that invents names must not fill the disk."""


@dataclass(frozen=True)
class Intake:
    """Writes what the receiver made durable. One object per process; thread-safe."""

    database: Database
    job_app: procrastinate.App
    secret: bytes
    quiet: QuietTimes
    duplicate_policy: Literal["keep", "replace"] = "replace"

    def register(self, stored: StoredInstance) -> Registered:
        """Record one durable instance. Raises DatabaseDown: nothing was written, the same may succeed later."""
        return self.register_all([stored])[0]

    def register_all(self, batch: Sequence[StoredInstance]) -> list[Registered]:
        """Record durable instances of any studies in one transaction, in their order; some 200 at a time are good.

        Registering the same again, after a crash, changes nothing. Raises DatabaseDown: nothing was written, the same
        batch may succeed later. Any other exception is about the data of one of them: nothing was written, and each
        may be registered alone.
        """
        if not batch:
            return []
        with self.database.begin() as connection:
            registration = Registration(connection, self.secret, self.duplicate_policy)
            outcomes = registration.write(batch)
            reopened = registration.reopened()
            self._reopen(connection, reopened)
            self._fulfil(connection, {one.study_instance_uid: one.id for one in reopened})
            return outcomes

    def _reopen(self, connection: sa.Connection, reopened: Sequence[TouchedStudy]) -> None:
        """Their quiet timers start anew; a settle job is made for those that have none pending."""
        if not reopened:
            return
        open_again(connection, [Opening(one.id, max(one.times), min(one.times)) for one in reopened])
        due = {one.id: max(one.times) + min(PAUSE, self.quiet.of(one.modalities)) for one in reopened}
        open_before = {one.id for one in reopened if one.is_open}
        jobs.hasten(connection, jobs.SETTLE, {key: at for key, at in due.items() if key in open_before})
        jobs.defer_all(
            self.job_app, connection, jobs.SETTLE, {key: at for key, at in due.items() if key not in open_before}
        )

    def _fulfil(self, connection: sa.Connection, studies: dict[str, int]) -> None:
        """Queue at once each study of which the last announced instance has come."""
        for uid in sorted(with_messages(connection, studies)):
            said = announced(connection, uid)
            if said.complete:
                forget(connection, uid)
                queue_for_indexing(connection, self.job_app, studies[uid], Completion.VERIFIED, said.evidence)

    def refuse_all(self, refusals: Sequence[Refusal]) -> None:
        """Count what was not accepted, in one transaction."""
        kinds = Counter((one.reason, one.calling_ae_title, one.sop_class_uid) for one in refusals)
        with self.database.begin() as connection:
            _count(connection, kinds)


def _count(connection: sa.Connection, kinds: "Counter[tuple[str, str, str]]") -> None:
    """Add to the counts of each kind, in one order for all processes; list the newest kinds only."""
    names = ("reason", "calling_ae_title", "sop_class_uid")
    rows = [{**dict(zip(names, kind, strict=True)), "times": n} for kind, n in sorted(kinds.items())]
    if not rows:
        return
    fresh = insert(refusal)
    changed = {"times": refusal.c.times + fresh.excluded.times, "at": sa.func.now()}
    connection.execute(fresh.on_conflict_do_update(index_elements=names, set_=changed), rows)
    newest = sa.select(refusal.c.id).order_by(refusal.c.at.desc(), refusal.c.id.desc()).offset(MOST_REFUSALS)
    connection.execute(sa.delete(refusal).where(refusal.c.id.in_(newest)))
