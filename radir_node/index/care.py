"""Index care: is the index what the catalogue says, and does it find what exact search finds?"""

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radir_node.domain.embedding import GLOBAL
from radir_node.index.similarity import Partition, State, VectorFeed
from radir_node.index.snapshot import read_manifest, read_partitions

PROBE_K = 10


@dataclass(frozen=True, slots=True)
class Recall:
    """Share of the exact top 10 that the served index returns, over stored vectors as queries."""

    recall_at_10: float
    queries: int
    index_ms: float
    """Median milliseconds of one served search."""
    exact_ms: float


@dataclass(frozen=True, slots=True)
class Verification:
    """What `radir index verify` found. Sound when nothing is missing, orphaned or damaged and the probe holds."""

    rows: int
    missing: int
    """Vectors of the catalogue that the index does not serve."""
    orphaned: int
    """Rows of the index that the catalogue no longer has."""
    recall: Mapping[str, Recall]

    @property
    def sound(self) -> bool:
        return not self.missing and not self.orphaned and all(r.recall_at_10 >= 0.97 for r in self.recall.values())


def check_files(feed: VectorFeed, folder: Path) -> str | None:
    """Hash every file of the active snapshot; return its id, or None when there is none. Raises SnapshotDamaged."""
    active: Mapping[str, Any] | None = feed.active_snapshot()
    if active is None:
        return None
    snapshot = folder / active["id"]
    read_partitions(snapshot, read_manifest(snapshot, active["manifest_sha256"]))
    return str(active["id"])


def verify(state: State, feed: VectorFeed, queries: int) -> Verification:
    """Compare ids both ways with the catalogue and probe the recall of every model's global partition."""
    served: set[int] = set()
    for partition in state.partitions.values():
        for block in partition.blocks:
            served.update(block.ids[block.alive].tolist())
    truth = feed.ids()
    return Verification(len(served), len(truth - served), len(served - truth), probe(state, queries))


def probe(state: State, queries: int) -> dict[str, Recall]:
    """Replay stored vectors against the served blocks and against exact search; model id -> Recall."""
    return {
        key.model: _recall(partition, queries)
        for key, partition in state.partitions.items()
        if key.anatomy == GLOBAL and partition.rows > 1
    }


def _recall(partition: Partition, queries: int) -> Recall:
    rng = np.random.default_rng(0)  # the same rows at every probe of an unchanged partition
    vectors = np.concatenate([b.vectors[b.alive] for b in partition.blocks]).astype(np.float32)
    ids = np.concatenate([b.ids[b.alive] for b in partition.blocks])
    chosen = rng.choice(len(vectors), min(queries, len(vectors)), replace=False)
    found, served_ms, exact_ms = 0.0, [], []
    for query in vectors[chosen]:
        start = time.perf_counter()
        answer = _served(partition, query)
        middle = time.perf_counter()
        truth = ids[np.argsort(-(vectors @ query), kind="stable")[:PROBE_K]]
        exact_ms.append(time.perf_counter() - middle)
        served_ms.append(middle - start)
        found += len(np.intersect1d(answer, truth)) / len(truth)
    return Recall(
        found / len(chosen), len(chosen), 1000 * float(np.median(served_ms)), 1000 * float(np.median(exact_ms))
    )


def _served(partition: Partition, query: np.ndarray[Any, np.dtype[np.float32]]) -> Sequence[int]:
    ids, scores = [], []
    for block in partition.blocks:
        ordinals = block.nearest(query, block.alive, max(3 * PROBE_K, 50))
        ids.append(block.ids[ordinals])
        scores.append(block.scores(query, ordinals))
    order = np.argsort(-np.concatenate(scores), kind="stable")[:PROBE_K]
    return np.concatenate(ids)[order].tolist()  # type: ignore[no-any-return]


def best_scores(partition: Partition, queries: int, percentiles: Sequence[int]) -> list[float]:
    """Return percentiles of the best cosine that stored rows reach with any row of another patient."""
    rng = np.random.default_rng(0)
    vectors = np.concatenate([b.vectors[b.alive] for b in partition.blocks]).astype(np.float32)
    patients = np.concatenate([b.columns["patient"][b.alive] for b in partition.blocks])
    chosen = rng.choice(len(vectors), min(queries, len(vectors)), replace=False)
    scores = vectors[chosen] @ vectors.T
    scores[patients[chosen][:, None] == patients[None, :]] = -1.0
    return [float(value) for value in np.percentile(scores.max(axis=1), percentiles)]


def sweep(folder: Path, keep: set[str]) -> None:
    """Remove snapshot folders that the catalogue does not know, and unfinished ones."""
    if folder.is_dir():
        for path in folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)
