"""One transaction of `Intake.register_all`: a batch of durable instances becomes rows, and their studies get jobs.

A handful of statements whatever the size of the batch. All studies concerned are locked first, in the order of their
UIDs: no two transactions can wait for each other, and workers hold one study at a time.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.rows import instance_values, series_values, study_values
from radir_node.catalog.tables import instance, issued_sr, series, study
from radir_node.catalog.transitions import OPEN_STATES
from radir_node.domain.identity import case_id, patient_code
from radir_node.domain.stored import Registered, StoredInstance

Numbered = tuple[int, StoredInstance]
"""An instance and its place in the batch."""
SeriesKey = tuple[str, str]
"""Study Instance UID, Series Instance UID."""


_CASE_IDS = 5
"""Pseudonyms that are tried for a new study before its registration fails."""


@dataclass(slots=True)
class TouchedStudy:
    """A study that the transaction holds locked, and what the batch does to it."""

    id: int
    study_instance_uid: str
    state: str | None
    """None = made by this transaction."""
    arrived: list[StoredInstance] = field(default_factory=list)
    left: list[StoredInstance] = field(default_factory=list)
    """Instances that replaced one of this study and belong to another: a corrected Study Instance UID."""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def times(self) -> list[dt.datetime]:
        """When what changed the study was received."""
        return [item.received for item in (*self.arrived, *self.left)]

    @property
    def modalities(self) -> set[str]:
        return {item.header.modality for item in (*self.arrived, *self.left)}


class Registration:
    """The locked studies of one batch. Made and used inside one transaction."""

    def __init__(self, connection: sa.Connection, secret: bytes, duplicate_policy: Literal["keep", "replace"]) -> None:
        self._connection = connection
        self._secret = secret
        self._keeps = duplicate_policy == "keep"
        self._studies: dict[str, TouchedStudy] = {}

    def write(self, batch: Sequence[StoredInstance]) -> list[Registered]:
        """Write every instance that is new or replaces one; return what became of each."""
        self._lock_studies(batch)
        outcomes: dict[int, Registered] = {}
        for wave in waves(batch):
            outcomes.update(self._write_wave(wave))
        return [outcomes[number] for number in range(len(batch))]

    def reopened(self) -> list[TouchedStudy]:
        """Return the studies that are no longer complete, after removing those that nothing was written into.

        A report of our own that comes back from a PACS reopens no study: to index the study again would push another
        report for every one that comes back, as long as the archive grows.
        """
        touched = self._studies.values()
        empty = [one.id for one in touched if one.state is None and not one.arrived]
        if empty:
            self._connection.execute(sa.delete(study).where(study.c.id.in_(empty)))
        closed = [one for one in touched if one.state is not None and not one.is_open]
        ours = self._made_here([item for one in closed for item in one.arrived])
        return [
            one
            for one in touched
            if one.left or any(one.state is None or one.is_open or _uid(item) not in ours for item in one.arrived)
        ]

    def _made_here(self, arrived: Collection[StoredInstance]) -> set[str]:
        if not arrived:
            return set()
        uids = [_uid(item) for item in arrived]
        made = sa.select(issued_sr.c.sop_instance_uid).where(issued_sr.c.sop_instance_uid.in_(uids))
        return set(self._connection.execute(made).scalars())

    def _lock_studies(self, batch: Sequence[StoredInstance]) -> None:
        """Make the studies that are missing, then lock those of the batch and those that hold its instances now."""
        firsts = {item.header.study_instance_uid: item for item in reversed(batch)}
        made = self._make_studies(firsts)
        owners = {row.study_instance_uid for row in self._current(_uid(item) for item in batch).values()}
        self._lock(firsts.keys() | owners, made)

    def _make_studies(self, firsts: Mapping[str, StoredInstance]) -> set[str]:
        """Make the studies that nobody has made; return those made here."""
        made: set[str] = set()
        for taken in range(_CASE_IDS):
            missing = sorted(firsts.keys() - self._existing(firsts))
            if not missing:
                break
            rows = [self._new_study(firsts[uid], taken) for uid in missing]
            # No index is named: an insert that meets one of another transaction waits for it, whichever index it is.
            fresh = insert(study).on_conflict_do_nothing().returning(study.c.study_instance_uid)
            made |= set(self._connection.execute(fresh, rows).scalars())
        return made

    def _existing(self, uids: Iterable[str]) -> set[str]:
        named = sa.select(study.c.study_instance_uid).where(_is_any(study.c.study_instance_uid, uids))
        return set(self._connection.execute(named).scalars())

    def _new_study(self, first: StoredInstance, taken: int) -> Mapping[str, Any]:
        return {
            **study_values(first.header),
            "patient_code": patient_code(self._secret, first.header),
            "case_id": case_id(self._secret, first.header.study_instance_uid, taken),
            "first_received_at": first.received,
            "last_received_at": first.received,
            "opened_at": first.received,
        }

    def _lock(self, uids: Collection[str], made: Collection[str] = ()) -> None:
        # key_share: whoever links a report to the study meanwhile refers to its row, and need not wait.
        found = self._connection.execute(
            sa.select(study.c.id, study.c.study_instance_uid, study.c.state)
            .where(_is_any(study.c.study_instance_uid, uids))
            .order_by(study.c.study_instance_uid)
            .with_for_update(key_share=True)
        )
        for row in found:
            uid = row.study_instance_uid
            self._studies[uid] = TouchedStudy(row.id, uid, None if uid in made else row.state)

    def _current(self, uids: Iterable[str]) -> Mapping[str, sa.Row[Any]]:
        """Return the current copies of SOP instances: row id, hash, series and study."""
        found: Iterable[sa.Row[Any]] = self._connection.execute(
            sa.select(
                instance.c.id,
                instance.c.sop_instance_uid,
                instance.c.sha256,
                instance.c.series_id,
                study.c.study_instance_uid,
            )
            .join(series, series.c.id == instance.c.series_id)
            .join(study, study.c.id == series.c.study_id)
            .where(_is_any(instance.c.sop_instance_uid, uids), instance.c.is_current)
        )
        return {row.sop_instance_uid: row for row in found}

    def _write_wave(self, wave: Sequence[Numbered]) -> dict[int, Registered]:
        """Write instances of different SOP Instance UIDs."""
        current = self._current(_uid(item) for _, item in wave)
        self._lock({row.study_instance_uid for row in current.values()} - self._studies.keys())
        known = self._replaced_before([item for _, item in wave if _differs(item, current)])
        outcomes = {number: self._outcome(item, current, known) for number, item in wave}
        written = [item for number, item in wave if outcomes[number] in (Registered.NEW, Registered.REPLACED)]
        replaced = [current[_uid(item)] for item in written if _uid(item) in current]
        self._retire(replaced)
        self._insert(written, Counter(row.series_id for row in replaced))
        for item in written:
            uid = item.header.study_instance_uid
            self._studies[uid].arrived.append(item)
            before = current.get(_uid(item))
            if before is not None and before.study_instance_uid != uid:
                self._studies[before.study_instance_uid].left.append(item)
        return outcomes

    def _outcome(
        self, item: StoredInstance, current: Mapping[str, sa.Row[Any]], known: set[tuple[str, str, dt.datetime]]
    ) -> Registered:
        before = current.get(_uid(item))
        if before is None:
            return Registered.NEW
        if before.sha256 == item.sha256 or (_uid(item), item.sha256, item.received) in known:
            return Registered.SAME
        return Registered.KEPT if self._keeps else Registered.REPLACED

    def _replaced_before(self, items: Sequence[StoredInstance]) -> set[tuple[str, str, dt.datetime]]:
        """Return (SOP Instance UID, hash, received) of copies that a later one has replaced already.

        After a crash the same files are registered again in the same order; an older one must not win then.
        """
        if not items:
            return set()
        uids = [_uid(item) for item in items]
        found = self._connection.execute(
            sa.select(instance.c.sop_instance_uid, instance.c.sha256, instance.c.received_at).where(
                _is_any(instance.c.sop_instance_uid, uids), ~instance.c.is_current
            )
        )
        return {(row.sop_instance_uid, row.sha256, row.received_at) for row in found}

    def _retire(self, replaced: Sequence[sa.Row[Any]]) -> None:
        if replaced:
            ids = [row.id for row in replaced]
            self._connection.execute(sa.update(instance).where(_is_any(instance.c.id, ids)).values(is_current=False))

    def _insert(self, written: Sequence[StoredInstance], left: "Counter[int]") -> None:
        """Insert rows of instances and bring the counts of their series and studies up to date."""
        if not written:
            return
        keys = self._series({_series_key(item): item for item in reversed(written)})
        ids = [keys[_series_key(item)] for item in written]
        rows = [{**instance_values(item), "series_id": key} for item, key in zip(written, ids, strict=True)]
        self._connection.execute(sa.insert(instance), rows)
        change = Counter(ids)
        change.subtract(left)
        self._connection.execute(_COUNT, {"series": list(change), "change": list(change.values())})

    def _series(self, firsts: Mapping[SeriesKey, StoredInstance]) -> Mapping[SeriesKey, int]:
        """Return the row id of every series; make those that are missing."""
        found = self._series_ids(firsts)
        missing = [
            {**series_values(item.header), "study_id": self._studies[key[0]].id}
            for key, item in sorted(firsts.items(), key=itemgetter(0))
            if key not in found
        ]
        if missing:
            self._connection.execute(insert(series).on_conflict_do_nothing(), missing)
            found = self._series_ids(firsts)
        return found

    def _series_ids(self, keys: Collection[SeriesKey]) -> Mapping[SeriesKey, int]:
        uids = {self._studies[study_uid].id: study_uid for study_uid, _ in keys}
        found = self._connection.execute(
            sa.select(series.c.id, series.c.study_id, series.c.series_instance_uid).where(
                _is_any(series.c.study_id, uids),
                _is_any(series.c.series_instance_uid, {series_uid for _, series_uid in keys}),
            )
        )
        return {(uids[row.study_id], row.series_instance_uid): row.id for row in found}


_COUNT = sa.text("""
    with change as (
        select * from unnest(cast(:series as bigint[]), cast(:change as integer[])) as c (series_id, n)
    ), of_series as (
        update series set number_of_instances = number_of_instances + change.n
        from change where series.id = change.series_id returning series.study_id, change.n
    )
    update study set number_of_instances = number_of_instances + of_study.n
    from (select study_id, sum(n) as n from of_series group by study_id) as of_study where study.id = of_study.study_id
""")


def waves(batch: Sequence[StoredInstance]) -> Iterator[list[Numbered]]:
    """Part a batch so that each SOP Instance UID comes once in a part, and its copies in their order."""
    seen: Counter[str] = Counter()
    parts: list[list[Numbered]] = []
    for number, item in enumerate(batch):
        nth = seen[_uid(item)]
        seen[_uid(item)] += 1
        if nth == len(parts):
            parts.append([])
        parts[nth].append((number, item))
    yield from parts


def _uid(item: StoredInstance) -> str:
    return item.header.sop_instance_uid


def _series_key(item: StoredInstance) -> SeriesKey:
    return item.header.study_instance_uid, item.header.series_instance_uid


def _differs(item: StoredInstance, current: Mapping[str, sa.Row[Any]]) -> bool:
    return _uid(item) in current and current[_uid(item)].sha256 != item.sha256


def _is_any(column: sa.Column[Any], values: Iterable[Any]) -> sa.ColumnElement[bool]:
    """One array parameter: the statement's text does not depend on how many there are."""
    return column == sa.any_(sa.literal(list(values), sa.ARRAY(column.type)))
