"""A feed of vectors in memory: our own small port of the catalogue, so that the index is tested apart from SQL."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from radir_node.domain.embedding import GLOBAL
from radir_node.domain.index_rows import Changes, PartitionKey, VectorRow


class MemoryFeed:
    """Rows by id and a log of touched ids; the watermark is the length of the log."""

    def __init__(self) -> None:
        self.rows_by_id: dict[int, VectorRow] = {}
        self.log: list[int] = []
        self.active: dict[str, Any] | None = None
        self.quarantined: list[str] = []

    def put(self, row: VectorRow) -> None:
        self.rows_by_id[row.id] = row
        self.log.append(row.id)

    def drop(self, id_: int) -> None:
        del self.rows_by_id[id_]
        self.log.append(id_)

    def watermark(self) -> str:
        return str(len(self.log))

    def system_identifier(self) -> str:
        return "memory"

    def rows(self, ids: Sequence[int] | None = None) -> Iterator[VectorRow]:
        wanted = self.rows_by_id if ids is None else [i for i in ids if i in self.rows_by_id]
        yield from (self.rows_by_id[i] for i in wanted)

    def changes_since(self, watermark: str) -> Changes:
        return Changes(tuple(self.log[int(watermark) :]), self.watermark())

    def ids(self) -> set[int]:
        return set(self.rows_by_id)

    def active_snapshot(self) -> Mapping[str, Any] | None:
        return self.active

    def activate(self, snapshot_id: str, watermark: str, row_count: int, manifest_sha256: str) -> None:
        self.active = {"id": snapshot_id, "manifest_sha256": manifest_sha256}

    def quarantine(self, snapshot_id: str) -> None:
        self.quarantined.append(snapshot_id)
        self.active = None


KEY = PartitionKey("model", GLOBAL)


@pytest.fixture
def key() -> PartitionKey:
    return KEY


@pytest.fixture
def make_row() -> Callable[..., VectorRow]:
    """Make a row with a random unit vector; id = study = patient unless said otherwise."""

    def make(id_: int, **columns: Any) -> VectorRow:
        vector = np.random.default_rng(id_).normal(size=512).astype(np.float32)
        values = {
            "study_id": id_,
            "patient_code": id_,
            "sex": "F",
            "age_years": 50.0,
            "study_date": None,
            "partition": KEY,
            "vector": (vector / np.linalg.norm(vector)).astype(np.float16),
        }
        return VectorRow(id=id_, **{**values, **columns})

    return make


@pytest.fixture
def feed(make_row: Callable[..., VectorRow]) -> MemoryFeed:
    """Two hundred studies of as many patients."""
    filled = MemoryFeed()
    for number in range(1, 201):
        filled.put(make_row(number))
    return filled
