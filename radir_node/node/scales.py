"""How a partition's scores are to be read: measured on the archive itself, because cosines differ between encoders."""

import threading

from radir_node.domain.index_rows import PartitionKey
from radir_node.domain.match import SimilarCases
from radir_node.index.care import best_scores
from radir_node.node.node import Node
from radir_node.web.ports import MatchScale

FEWEST = 20
"""Below so many studies percentiles say nothing, and the defaults stand in."""
LOWEST, LOW, MIDDLE = 5, 25, 50
"""Percentiles of the stored studies' own best scores: no match below the first, moderate and strong from the others."""


class Scales:
    """Scales by partition, measured anew only when the partition has changed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._lock = threading.Lock()
        self._known: dict[PartitionKey, tuple[str, MatchScale]] = {}

    def of(self, similar: SimilarCases) -> MatchScale:
        key = PartitionKey(similar.model_id, similar.anatomy_used)
        with self._lock:
            fingerprint, scale = self._known.get(key, ("", MatchScale()))
            if fingerprint != similar.snapshot_id:
                scale = self._measured(key)
                self._known[key] = (similar.snapshot_id, scale)
            return scale

    def _measured(self, key: PartitionKey) -> MatchScale:
        partition = self._node.index.sync().partitions.get(key)
        if partition is None or partition.studies < FEWEST:
            return MatchScale()
        return MatchScale(*best_scores(partition, self._node.settings.index.probe_queries, (LOWEST, LOW, MIDDLE)))
