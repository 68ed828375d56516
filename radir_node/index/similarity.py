"""The index as one process serves it: sealed partitions from the active snapshot plus what changed since."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from radir_node.domain.index_rows import Changes, PartitionKey, VectorRow
from radir_node.domain.match import Filters
from radir_node.index.block import EMPTY, Block, block_of, indexed, merged
from radir_node.index.snapshot import SnapshotDamaged, Written, read_manifest, read_partitions, write_snapshot

log = structlog.get_logger()


class VectorFeed(Protocol):
    """The catalogue as the index sees it (radir_node.catalog.vectors.Vectors)."""

    def watermark(self) -> str: ...
    def system_identifier(self) -> str: ...
    def rows(self, ids: Sequence[int] | None = None) -> Iterator[VectorRow]: ...
    def changes_since(self, watermark: str) -> Changes: ...
    def ids(self) -> set[int]: ...
    def active_snapshot(self) -> Mapping[str, Any] | None: ...
    def activate(self, snapshot_id: str, watermark: str, row_count: int, manifest_sha256: str) -> None: ...
    def quarantine(self, snapshot_id: str) -> None: ...


@dataclass(frozen=True)
class Partition:
    """Sealed rows with a FAISS index, and growing rows that are scanned exactly."""

    sealed: Block = EMPTY
    growing: Block = EMPTY

    @property
    def blocks(self) -> tuple[Block, Block]:
        return self.sealed, self.growing

    @property
    def rows(self) -> int:
        return sum(int(block.alive.sum()) for block in self.blocks)

    @property
    def studies(self) -> int:
        return len(np.unique(np.concatenate([b.columns["study"][b.alive] for b in self.blocks])))

    @property
    def fingerprint(self) -> str:
        """Snapshot id of this partition: equal exactly when the set of its rows is equal."""
        value = self.sealed.fingerprint ^ self.growing.fingerprint
        return hashlib.blake2b(value.to_bytes(16, "big"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True)
class Hit:
    study_id: int
    score: float


@dataclass(frozen=True, slots=True)
class Hits:
    """Ranked studies of one partition."""

    hits: tuple[Hit, ...]
    snapshot_id: str
    reference_size: int
    """Studies in the partition."""
    eligible: int
    """Studies that passed the filters."""


@dataclass(frozen=True)
class State:
    """Everything one search needs, replaced as a whole."""

    partitions: Mapping[PartitionKey, Partition]
    watermark: str
    snapshot: str = ""


class SimilarityIndex:
    """Serve searches over the catalogue's vectors. Thread-safe: searches take the state once, updates replace it."""

    def __init__(self, feed: VectorFeed, folder: Path) -> None:
        self._feed = feed
        self._folder = folder
        self._lock = threading.Lock()
        self._state: State | None = None

    def sync(self) -> State:
        """Catch up with the catalogue; a new active snapshot is loaded first. Raises DatabaseDown."""
        with self._lock:
            active = self._feed.active_snapshot()
            if self._state is None or (active is not None and active["id"] != self._state.snapshot):
                self._state = self._load(active)
            changes = self._feed.changes_since(self._state.watermark)
            partitions = self._state.partitions
            if changes.ids:
                partitions = _applied(partitions, changes.ids, self._feed.rows(changes.ids))
            self._state = State(partitions, changes.watermark, self._state.snapshot)
            return self._state

    def _load(self, active: Mapping[str, Any] | None) -> State:
        if active is not None:
            try:
                return self._from_files(active)
            except SnapshotDamaged as error:
                log.warning("index_snapshot_quarantined", reason=str(error))
                self._feed.quarantine(active["id"])
        return self._from_catalogue()

    def _from_files(self, active: Mapping[str, Any]) -> State:
        folder = self._folder / active["id"]
        manifest = read_manifest(folder, active["manifest_sha256"])
        if manifest["system_identifier"] != self._feed.system_identifier():
            raise SnapshotDamaged(f"index snapshot {folder.name}: belongs to another database cluster")
        loaded = read_partitions(folder, manifest)
        return State(
            {key: Partition(sealed=block) for key, block in loaded.items()}, str(manifest["watermark"]), active["id"]
        )

    def _from_catalogue(self) -> State:
        watermark = self._feed.watermark()
        return State({key: Partition(sealed=indexed(b)) for key, b in _blocks(self._feed.rows()).items()}, watermark)

    def rebuild(self) -> Written:
        """Write a new snapshot from the catalogue alone and make it the active one. Raises StorageFull."""
        state = self._from_catalogue()
        sealed = {key: partition.sealed for key, partition in sorted(state.partitions.items())}
        written = write_snapshot(self._folder, sealed, state.watermark, self._feed.system_identifier())
        self._feed.activate(written.id, state.watermark, written.rows, written.manifest_sha256)
        return written

    def search(
        self,
        key: PartitionKey,
        queries: NDArray[np.float32],
        k: int,
        filters: Filters,
        *,
        exclude_patient: int | None = None,
        exclude_study: int | None = None,
    ) -> Hits:
        """Rank studies by their best cosine similarity to any of `queries` [u, 512]; one study per patient."""
        partition = self.sync().partitions.get(key, Partition())
        masks = [block.allowed(filters, exclude_patient, exclude_study) for block in partition.blocks]
        eligible = len(
            np.unique(np.concatenate([b.columns["study"][m] for b, m in zip(partition.blocks, masks, strict=True)]))
        )
        depth = max(3 * k, 50)
        while True:
            ranked, exhausted = _ranked(partition, queries, masks, depth)
            if len(ranked) >= k or exhausted:
                return Hits(tuple(ranked[:k]), partition.fingerprint, partition.studies, eligible)
            depth *= 4  # several rows of one study or patient filled the candidates


def _ranked(
    partition: Partition, queries: NDArray[np.float32], masks: Sequence[NDArray[np.bool_]], depth: int
) -> tuple[list[Hit], bool]:
    """Return the best row of each patient among `depth` candidates per query, and whether these were all rows."""
    best: dict[int, tuple[float, int, int]] = {}  # patient -> (score, -study, study)
    for block, mask in zip(partition.blocks, masks, strict=True):
        for query in queries:
            ordinals = block.nearest(query, mask, depth)
            studies, patients = block.columns["study"][ordinals], block.columns["patient"][ordinals]
            for score, study, patient in zip(block.scores(query, ordinals), studies, patients, strict=True):
                candidate = (float(score), -int(study), int(study))  # ties: the older study first, always
                best[int(patient)] = max(best.get(int(patient), candidate), candidate)
    ranked = sorted(best.values(), reverse=True)
    exhausted = all(int(mask.sum()) <= depth for mask in masks)
    return [Hit(study, score) for score, _, study in ranked], exhausted


def _blocks(rows: Iterable[VectorRow]) -> dict[PartitionKey, Block]:
    grouped: dict[PartitionKey, list[VectorRow]] = defaultdict(list)
    for row in rows:
        grouped[row.partition].append(row)
    return {key: block_of(members) for key, members in grouped.items()}


def _applied(
    partitions: Mapping[PartitionKey, Partition], touched: Sequence[int], rows: Iterable[VectorRow]
) -> dict[PartitionKey, Partition]:
    """Return the partitions after every touched id was dropped and those that still exist were added anew."""
    ids = np.array(touched, np.int64)
    result = {
        key: replace(partition, sealed=partition.sealed.without(ids), growing=partition.growing.without(ids))
        for key, partition in partitions.items()
    }
    for key, block in _blocks(rows).items():
        old = result.get(key, Partition())
        result[key] = replace(old, growing=merged(old.growing, block))
    return result
