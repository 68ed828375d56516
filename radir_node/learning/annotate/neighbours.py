"""A table for people: the most similar studies of each, with what the reports say. Parquet, one row a pair.

The matrix holds every pair, but nobody reads it; what people ask is which studies are like this one, and why.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from radir_node.reports.similarity.entities import Entity, EntityType

MOST = 10
_ROWS_AT_ONCE = 256
_STEPS = 1_000_000
_DENIED = (EntityType.NON_ABNORMALITY, EntityType.NON_DISEASE)


def readable(entities: Iterable[Entity]) -> str:
    """Write what a report says as one line: "consolidation, right lower lobe; no pneumothorax, pleura"."""
    said = (
        f"no {entity.text}" if entity.type in _DENIED else entity.text
        for entity in entities
        if entity.type is not EntityType.ANATOMY
    )
    return "; ".join(dict.fromkeys(said))


def nearest(rows: NDArray[np.float32], first: int, most: int = MOST) -> NDArray[np.intp]:
    """Return [rows, most]: the columns of the largest values of each row, the row's own left out, best first.

    Equal values are in the order of their columns. first: number of the first of these rows.
    """
    columns = rows.shape[1]
    most = min(most, columns - 1)
    found = np.empty((len(rows), max(0, most)), dtype=np.intp)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        places = np.arange(columns) - np.rint(some * _STEPS).astype(np.int64) * columns
        places[np.arange(len(some)), first + start + np.arange(len(some))] = np.iinfo(np.int64).max
        if most > 0:
            best = np.argpartition(places, most - 1, axis=1)[:, :most]
            order = np.argsort(np.take_along_axis(places, best, axis=1), axis=1)
            found[start : start + len(some)] = np.take_along_axis(best, order, axis=1)
    return found


class NeighbourTable:
    """Writes the table row block by row block. Use as a context manager."""

    COLUMNS = ("study", "rank", "similar_study", "similarity", "report_says", "similar_report_says")

    def __init__(self, path: Path, ids: Sequence[str], entities: Sequence[Sequence[Entity]]) -> None:
        import pyarrow as pa  # an extra; only who writes tables needs it
        from pyarrow import parquet

        self._ids, self._says = ids, [readable(said) for said in entities]
        kinds = (pa.string(), pa.int8(), pa.string(), pa.float32(), pa.string(), pa.string())
        self._schema: Any = pa.schema(list(zip(self.COLUMNS, kinds, strict=True)))
        self._table = pa.Table
        self._writer: Any = parquet.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    def add(self, first: int, rows: NDArray[np.float32]) -> None:
        """Write the neighbours of some rows of the matrix."""
        best = nearest(rows, first)
        values = np.take_along_axis(rows, best, axis=1)
        pairs = [
            (first + row, rank, int(column), float(value))
            for row, (columns, found) in enumerate(zip(best, values, strict=True))
            for rank, (column, value) in enumerate(zip(columns, found, strict=True), 1)
        ]
        cells = (
            [self._ids[row] for row, _, _, _ in pairs],
            [rank for _, rank, _, _ in pairs],
            [self._ids[column] for _, _, column, _ in pairs],
            [value for _, _, _, value in pairs],
            [self._says[row] for row, _, _, _ in pairs],
            [self._says[column] for _, _, column, _ in pairs],
        )
        columns = dict(zip(self.COLUMNS, cells, strict=True))
        self._writer.write_table(self._table.from_pydict(columns, schema=self._schema))


def can_write() -> bool:
    """Tell whether pyarrow is installed."""
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None
