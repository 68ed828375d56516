"""One table of an annotation on disk: ids, matrix, neighbours, and the manifest that says what it was made of."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from radir_node.domain.study import Modality
from radir_node.errors import StorageFull
from radir_node.learning.annotate.layout import ID_COLUMNS, Layout, beside, read_json, write_json
from radir_node.learning.annotate.mentions import Entities
from radir_node.learning.annotate.neighbours import NeighbourTable, can_write
from radir_node.learning.annotate.nodes import WHOLE
from radir_node.learning.annotate.statistics import Distribution
from radir_node.reports.parser import PARSER_VERSION
from radir_node.reports.similarity.embedder import EntityEmbedder
from radir_node.reports.similarity.rate_score import similarity_blocks
from radir_node.reports.similarity.weights import Weights

FORMAT = 1
"""Raised when the files change in kind, so that all are made again."""
NPY_BYTES = 4

Advance = Callable[[int], None]
"""Told how many rows have been written."""


@dataclass(frozen=True)
class Scoring:
    """How reports are compared."""

    embedder: EntityEmbedder
    weights: Weights
    memory: int
    """Bytes, see radir_node.reports.similarity.rate_score.MEMORY."""


@dataclass(frozen=True)
class Table:
    """One matrix to be made: the studies that a node is mentioned in, and what each says there."""

    name: str
    keys: tuple[str, ...]
    modality: Modality
    ids: Sequence[str]
    entities: Sequence[Entities]
    twins: Sequence[str] = ()
    """Tables with the same content, if they are there."""

    @property
    def bytes(self) -> int:
        """Size of the matrix on disk."""
        return NPY_BYTES * len(self.ids) ** 2

    def digest(self, scoring: Scoring) -> str:
        """Hash everything that the files of the table depend on."""
        parts = [FORMAT, PARSER_VERSION, scoring.embedder.identity, scoring.weights.name, self.modality, can_write()]
        found = hashlib.sha256(repr(parts).encode())
        for name, entities in zip(self.ids, self.entities, strict=True):
            found.update(f"{name}\0{entities}\0".encode())
        return found.hexdigest()


def is_made(table: Table, layout: Layout, digest: str) -> bool:
    """Tell whether the files of a table are there, whole, and made of the same."""
    manifest = read_json(layout.manifest(table.name))
    matrix = layout.matrix(table.name)
    return (
        isinstance(manifest, dict)
        and manifest.get("digest") == digest
        and layout.ids(table.name).is_file()
        and matrix.is_file()
        and matrix.stat().st_size > table.bytes
    )


def make_table(table: Table, layout: Layout, scoring: Scoring, advance: Advance) -> bool:
    """Write the files of a table, the manifest last; False where they were there already. Raises StorageFull."""
    digest = table.digest(scoring)
    if is_made(table, layout, digest):
        advance(len(table.ids))
        return False
    layout.manifest(table.name).unlink(missing_ok=True)
    if table.name != WHOLE:
        _write_ids(table, layout)
    similarity = _link_twin(table, layout, digest)
    if similarity is None:
        similarity = _write_rows(table, layout, scoring, advance).as_dict()
    else:
        advance(len(table.ids))
    write_json(layout.manifest(table.name), _manifest(table, scoring, digest, similarity))
    return True


def remove_table(name: str, layout: Layout) -> None:
    """Remove what an earlier run wrote at a node that no report of this one mentions, the manifest first."""
    for path in (layout.manifest(name), layout.ids(name), layout.matrix(name), layout.neighbours(name)):
        path.unlink(missing_ok=True)


def _link_twin(table: Table, layout: Layout, digest: str) -> dict[str, Any] | None:
    """Give a table the files of another with the same content, by hard links; None where there is none.

    A third of the published nodes are one structure to us ("lungs", "lung parenchyma", "airspace").
    """
    for name in table.twins:
        twin = replace(table, name=name)
        if is_made(twin, layout, digest):
            try:
                for kind in (layout.neighbours, layout.matrix) if can_write() else (layout.matrix,):
                    with beside(kind(table.name)) as part:
                        part.hardlink_to(kind(name))
            except StorageFull:
                return None  # a file system without hard links: the files are written anew
            return dict(read_json(layout.manifest(name))["similarity"])
    return None


def _write_ids(table: Table, layout: Layout) -> None:
    with beside(layout.ids(table.name)) as part, part.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow([ID_COLUMNS[table.modality]])
        rows.writerows([name] for name in table.ids)


def _write_rows(table: Table, layout: Layout, scoring: Scoring, advance: Advance) -> Distribution:
    """Write the matrix row after row: a full disk is an error here, where a memory map would end the process."""
    distribution = Distribution()
    with ExitStack() as stack:
        handle = stack.enter_context(stack.enter_context(beside(layout.matrix(table.name))).open("wb"))
        neighbours = None
        if can_write():
            path = stack.enter_context(beside(layout.neighbours(table.name)))
            neighbours = stack.enter_context(NeighbourTable(path, table.ids, table.entities))
        _write_header(handle, len(table.ids))
        for first, rows in _blocks(table, scoring):
            rows.tofile(handle)
            distribution.add(rows)
            if neighbours is not None:
                neighbours.add(first, rows)
            advance(len(rows))
    return distribution


def _write_header(handle: IO[bytes], size: int) -> None:
    npy.write_array_header_1_0(handle, {"descr": "<f4", "fortran_order": False, "shape": (size, size)})
    handle.flush()  # rows.tofile writes past Python's buffer


def _blocks(table: Table, scoring: Scoring) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Row blocks with 1 on the diagonal: a study is like itself, whatever its report contradicts (method spec 4.4)."""
    for first, rows in similarity_blocks(table.entities, scoring.embedder, scoring.weights, scoring.memory):
        own = np.arange(len(rows))
        rows[own, first + own] = 1.0
        yield first, np.ascontiguousarray(rows, dtype="<f4")


def _manifest(table: Table, scoring: Scoring, digest: str, similarity: dict[str, Any]) -> dict[str, Any]:
    return {
        "table": table.name,
        "keys": list(table.keys),
        "modality": table.modality.value,
        "studies": len(table.ids),
        "distinct": len(set(table.entities)),
        "digest": digest,
        "format": FORMAT,
        "parser": PARSER_VERSION,
        "embedder": scoring.embedder.identity,
        "weights": scoring.weights.name,
        "similarity": similarity,
    }
