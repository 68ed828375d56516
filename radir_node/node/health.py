"""The state of archive, queue and index at one moment, for the admin page and the metrics."""

import datetime as dt
import shutil
import threading
import time
from collections.abc import Sequence

from radir_node.catalog.cases import Case
from radir_node.catalog.health import HealthCounts
from radir_node.catalog.jobs import queue_depth
from radir_node.domain.study import Modality, StudyState
from radir_node.index.care import probe
from radir_node.index.similarity import State
from radir_node.node.node import Node
from radir_node.web.ports import (
    Coverage,
    Health,
    Model,
    Problem,
    Queue,
    RecallProbe,
    Refusal,
    Snapshot,
    Storage,
)

LISTED = 50
PROBE_SECONDS = 60.0
"""A recall probe costs about a second at 10^5 rows: the page shows one that is at most this old."""


class HealthReport:
    """Counts on every call; the recall probe is kept for a minute."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._counts = HealthCounts(node.database)
        self._lock = threading.Lock()
        self._probed: tuple[float, tuple[RecallProbe, ...]] = (-PROBE_SECONDS, ())

    def now(self) -> Health:
        node = self._node
        counts = node.studies.counts()
        state = node.index.sync()
        return Health(
            checked_at=dt.datetime.now(dt.UTC),
            studies={StudyState(name): n for name, n in counts["studies"].items()},
            instances=counts["instances"],
            reports=counts["reports"],
            coverage=tuple(Coverage(modality, *numbers) for modality, numbers in self._counts.coverage().items()),
            queue=self._queue(),
            failures=self._problems((StudyState.FAILED,)),
            not_indexable=self._problems((StudyState.NOT_INDEXABLE,)),
            refused=tuple(Refusal(*row) for row in self._counts.refusals(LISTED)),
            snapshots=self._snapshots(state),
            recall=self._recall(state),
            storage=Storage(self._counts.stored_bytes(), shutil.disk_usage(node.root).free),
            models=tuple(
                Model(Modality(row["modality"]), row["name"], row["licence"], row["studies"])
                for row in self._counts.models()
            ),
        )

    def _queue(self) -> Queue:
        with self._node.database.begin() as connection:
            depth, failed, oldest = queue_depth(connection)
        return Queue(depth, oldest, failed)

    def _problems(self, states: Sequence[StudyState]) -> tuple[Problem, ...]:
        return tuple(self._problem(case) for case in self._node.cases.in_states(states, LISTED))

    def _problem(self, case: Case) -> Problem:
        return Problem(case.case_id, case.received_modalities, case.received_at, case.reason)

    def _snapshots(self, state: State) -> tuple[Snapshot, ...]:
        active = self._node.vectors.active_snapshot()
        if active is None:
            return ()
        found = []
        for modality, model in self._node.models.items():
            mine = [p for key, p in state.partitions.items() if key.model == model.id]
            rows = sum(partition.rows for partition in mine)
            growing = sum(int(partition.growing.alive.sum()) for partition in mine)
            found.append(Snapshot(active["id"][:12], modality, active["built_at"], rows, len(mine), growing))
        return tuple(found)

    def _recall(self, state: State) -> tuple[RecallProbe, ...]:
        with self._lock:
            at, known = self._probed
            if time.monotonic() - at < PROBE_SECONDS:
                return known
            moment = dt.datetime.now(dt.UTC)
            measured = probe(state, self._node.settings.index.probe_queries)
            modality_of = {model.id: modality for modality, model in self._node.models.items()}
            known = tuple(
                RecallProbe(modality_of[model], r.recall_at_10, r.queries, r.index_ms, r.exact_ms, moment)
                for model, r in measured.items()
                if model in modality_of
            )
            self._probed = (time.monotonic(), known)
            return known
