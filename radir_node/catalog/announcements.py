"""What peers said of a study that is not all here yet: the instances they named, and procedure steps in progress.

Functions inside the caller's transaction, for intake.py and completion.py.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from radir_node.catalog.tables import announcement
from radir_node.domain.study import Evidence

STRENGTH = (Evidence.IAN, Evidence.MPPS, Evidence.COMMITMENT)
"""Strongest first."""

MEMORY = dt.timedelta(days=30)
"""A message about a study that never came is forgotten after this time."""

_REMEMBER = sa.text("""
    insert into announcement as known (study_instance_uid, evidence, sop_instance_uids)
    values (:study, :evidence, cast(:uids as text[]))
    on conflict (study_instance_uid, evidence) do update set at = now(),
        sop_instance_uids = array(select distinct unnest(known.sop_instance_uids || excluded.sop_instance_uids))
""")
_ANNOUNCED = sa.text("""
    select evidence, (
        select count(*) from unnest(sop_instance_uids) as named (uid)
        where not exists (select from instance where sop_instance_uid = named.uid and is_current)
    ) as missing
    from announcement where study_instance_uid = :study
""")
_IN_PROGRESS = sa.text(
    "select exists (select from mpps where state = 'IN PROGRESS' and study_instance_uids @> array[cast(:study as text)]"
    " and updated_at > now() - interval '1 day')"  # the modality of an older one has died, or forgot it
)


@dataclass(frozen=True, slots=True)
class Announced:
    """What is known of one study from its peers."""

    evidence: Evidence
    """The strongest message; NONE when there is none."""
    missing: int
    """Instances that were named and are not here."""
    in_progress: bool
    """A modality still works on a procedure step of the study."""

    @property
    def complete(self) -> bool:
        return self.evidence is not Evidence.NONE and not self.more_to_come

    @property
    def more_to_come(self) -> bool:
        return self.missing > 0 or self.in_progress


def remember(
    connection: sa.Connection, study_instance_uid: str, evidence: Evidence, sop_instance_uids: Collection[str]
) -> None:
    """Add a message to those of the study; instances of several messages of a kind are all waited for."""
    values = {"study": study_instance_uid, "evidence": evidence, "uids": sorted(set(sop_instance_uids))}
    connection.execute(_REMEMBER, values)


def announced(connection: sa.Connection, study_instance_uid: str) -> Announced:
    """Return what peers said of the study, seen against what is here."""
    rows = connection.execute(_ANNOUNCED, {"study": study_instance_uid}).all()
    said = {Evidence(row.evidence) for row in rows}
    strongest = next((kind for kind in STRENGTH if kind in said), Evidence.NONE)
    in_progress = bool(connection.execute(_IN_PROGRESS, {"study": study_instance_uid}).scalar_one())
    return Announced(strongest, sum(row.missing for row in rows), in_progress)


def with_messages(connection: sa.Connection, study_instance_uids: Collection[str]) -> set[str]:
    """Return those of the studies that some message is about."""
    about = sa.select(announcement.c.study_instance_uid).where(
        announcement.c.study_instance_uid.in_(study_instance_uids)
    )
    return set(connection.execute(about).scalars())


def forget(connection: sa.Connection, study_instance_uid: str) -> None:
    """The messages about the study have come true."""
    connection.execute(sa.delete(announcement).where(announcement.c.study_instance_uid == study_instance_uid))


def forget_old(connection: sa.Connection) -> int:
    """Remove messages about studies that never came; return how many."""
    old = announcement.c.at < sa.func.now() - MEMORY
    return connection.execute(sa.delete(announcement).where(old)).rowcount
