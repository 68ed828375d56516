"""Rows of one partition in memory: vectors, the columns that filters look at, and a FAISS index over them.

A block is never changed in place: readers take a reference once and search it without locks (spec search 2.6).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from radir_node.domain.embedding import DIMENSIONS
from radir_node.domain.index_rows import VectorRow
from radir_node.domain.match import Filters

SEXES = ("", "F", "M", "O")
NO_DATE = 0

COLUMN_TYPES = {
    "ids": np.int64,
    "study": np.int64,
    "patient": np.int64,
    "sex": np.uint8,
    "age": np.float32,
    "date": np.int32,
}


class FilterViolation(AssertionError):
    """FAISS returned a row outside the mask: a defect that must never reach a person (spec search 5.6)."""


@dataclass(frozen=True)
class Block:
    """n rows in ascending id order. `index` is None for a growing block, which is searched exactly."""

    columns: Mapping[str, NDArray[Any]]
    vectors: NDArray[np.float16]
    """[n, 512]"""
    alive: NDArray[np.bool_]
    index: faiss.Index | None = field(default=None, repr=False)

    @property
    def ids(self) -> NDArray[np.int64]:
        return self.columns["ids"].astype(np.int64, copy=False)

    def allowed(self, filters: Filters, exclude_patient: int | None, exclude_study: int | None) -> NDArray[np.bool_]:
        """Return the mask [n] of rows that live and pass."""
        mask = self.alive.copy()
        if exclude_patient is not None:
            mask &= self.columns["patient"] != exclude_patient
        if exclude_study is not None:
            mask &= self.columns["study"] != exclude_study
        if filters.sex is not None:
            mask &= self.columns["sex"] == SEXES.index(filters.sex if filters.sex in SEXES else "O")
        if filters.age_min is not None:
            mask &= self.columns["age"] >= filters.age_min  # an unknown age (NaN) never passes
        if filters.age_max is not None:
            mask &= self.columns["age"] <= filters.age_max
        if filters.date_from is not None:
            mask &= self.columns["date"] >= filters.date_from.toordinal()
        if filters.date_to is not None:
            mask &= (self.columns["date"] <= filters.date_to.toordinal()) & (self.columns["date"] != NO_DATE)
        return mask

    def nearest(self, query: NDArray[np.float32], mask: NDArray[np.bool_], k: int) -> NDArray[np.int64]:
        """Return the ordinals of up to k candidates inside the mask, in no particular order."""
        allowed = int(mask.sum())
        if self.index is None or allowed <= k:
            return np.flatnonzero(mask)
        bitmap = np.packbits(mask, bitorder="little")
        selector = faiss.IDSelectorBitmap(bitmap)
        _, found = self.index.search(query[None, :], k, params=faiss.SearchParameters(sel=selector))
        ordinals = found[0][found[0] >= 0]
        if not mask[ordinals].all():
            raise FilterViolation("FAISS returned a row outside the filter mask")
        return np.asarray(ordinals, np.int64)

    def scores(self, query: NDArray[np.float32], ordinals: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return exact cosine similarities [len(ordinals)], float32 arithmetic on the stored float16 vectors."""
        return np.asarray(self.vectors[ordinals].astype(np.float32) @ query, np.float32)

    def without(self, ids: NDArray[np.int64]) -> "Block":
        """Return the same rows with those ids dead."""
        dead = np.isin(self.ids, ids)
        return replace(self, alive=self.alive & ~dead) if dead.any() else self

    @cached_property
    def fingerprint(self) -> int:
        """Identify the set of live rows: xor of hashed ids, so that blocks can be combined in any order."""
        value = 0
        for row in self.ids[self.alive]:
            value ^= int.from_bytes(hashlib.blake2b(int(row).to_bytes(8, "big"), digest_size=16).digest(), "big")
        return value


EMPTY = Block(
    {name: np.empty(0, kind) for name, kind in COLUMN_TYPES.items()},
    np.empty((0, DIMENSIONS), np.float16),
    np.empty(0, np.bool_),
)


def block_of(rows: Iterable[VectorRow]) -> Block:
    """Put rows into a block without an index."""
    ordered = sorted(rows, key=lambda row: row.id)
    if not ordered:
        return EMPTY
    values = [
        (
            row.id,
            row.study_id,
            row.patient_code,
            SEXES.index(row.sex) if row.sex in SEXES else SEXES.index("O"),
            np.nan if row.age_years is None else row.age_years,
            NO_DATE if row.study_date is None else row.study_date.toordinal(),
        )
        for row in ordered
    ]
    columns = {name: np.array([v[i] for v in values], kind) for i, (name, kind) in enumerate(COLUMN_TYPES.items())}
    return Block(columns, np.stack([row.vector for row in ordered]), np.ones(len(ordered), np.bool_))


def merged(first: Block, second: Block) -> Block:
    """Return the live rows of both, in id order, without an index."""
    parts = [(b, np.flatnonzero(b.alive)) for b in (first, second)]
    order = np.argsort(np.concatenate([b.ids[keep] for b, keep in parts]), kind="stable")
    columns = {
        name: np.concatenate([b.columns[name][keep] for b, keep in parts])[order].astype(kind, copy=False)
        for name, kind in COLUMN_TYPES.items()
    }
    vectors = np.concatenate([b.vectors[keep] for b, keep in parts])[order]
    return Block(columns, vectors, np.ones(len(order), np.bool_))


def indexed(block: Block) -> Block:
    """Return the block with a flat float16 FAISS index: no training, recall 1.0, about 3 ms per 10^5 rows."""
    index = faiss.IndexScalarQuantizer(DIMENSIONS, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.add(block.vectors.astype(np.float32))
    return replace(block, index=index)
