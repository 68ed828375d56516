"""One table of an annotation on disk: ids, matrix, neighbours, and the manifest that says what it was made of."""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from radir_node.domain.study import Modality
from radir_node.errors import StorageFull
from radir_node.learning.annotate.layout import (
    ID_COLUMN,
    Layout,
    beside,
    read_json,
    remove_parts,
    write_json,
)
from radir_node.learning.annotate.mentions import Entities
from radir_node.learning.annotate.neighbours import NeighbourTable, can_write
from radir_node.learning.annotate.nodes import WHOLE
from radir_node.learning.annotate.statistics import Distribution
from radir_node.reports.parser import PARSER_VERSION
from radir_node.reports.similarity.embedder import EntityEmbedder
from radir_node.reports.similarity.rate_score import similarity_blocks
from radir_node.reports.similarity.weights import Weights

FORMAT = 2
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
    scoring: Scoring
    captions: str
    """Digest of the captions that the ids stand in."""
    ids: Sequence[str]
    entities: Sequence[Entities]
    twins: Sequence[str] = ()
    """Tables with the same content, if they are there."""

    @property
    def bytes(self) -> int:
        """Size of the matrix on disk."""
        return NPY_BYTES * len(self.ids) ** 2

    @cached_property
    def digest(self) -> str:
        """Hash everything that the files of the table depend on; of the captions only what is said at this table."""
        method = [self.scoring.embedder.identity, self.scoring.weights.name]
        parts = [FORMAT, PARSER_VERSION, *method, self.modality, can_write()]
        found = hashlib.sha256(repr(parts).encode())
        for name, entities in zip(self.ids, self.entities, strict=True):
            found.update(f"{name}\0{entities}\0".encode())
        return found.hexdigest()


def is_made(table: Table, layout: Layout) -> bool:
    """Tell whether the files of a table are there, whole, made of the same, and belong to its captions."""
    return _is_same(table.name, table, layout) and manifest_of(table.name, layout, table.captions) is not None


def manifest_of(name: str, layout: Layout, captions: str) -> dict[str, Any] | None:
    """Read the manifest of a table; None where it is not there, not whole, or was made of other captions."""
    manifest = read_json(layout.manifest(name))
    return manifest if isinstance(manifest, dict) and manifest.get("captions") == captions else None


def make_table(table: Table, layout: Layout, advance: Advance) -> None:
    """Write the files of a table, of which there are none; the manifest last. Raises StorageFull."""
    similarity = _link_twin(table, layout)
    if similarity is None:
        similarity = _write_rows(table, layout, advance).as_dict()
    else:
        advance(len(table.ids))
    if table.name != WHOLE:
        _write_ids(table, layout)
    write_json(layout.manifest(table.name), _manifest(table, similarity))


def remove_table(name: str, layout: Layout) -> None:
    """Remove the files of a table, the manifest first, and what killed runs left of them; captions stay."""
    ids = () if name == WHOLE else (layout.ids(name),)
    for path in (layout.manifest(name), *ids, layout.matrix(name), layout.neighbours(name)):
        path.unlink(missing_ok=True)
        remove_parts(path)


def remove_others(tables: Mapping[str, Table], layout: Layout, captions: str) -> None:
    """Remove all tables that do not belong to new captions: neither made of them nor, as these tables, of the same."""
    for name in layout.tables():
        is_same = name in tables and _is_same(name, tables[name], layout)
        if not is_same and manifest_of(name, layout, captions) is None:
            remove_table(name, layout)


def adopt_table(table: Table, layout: Layout) -> None:
    """Let a table that is made of the same belong to its new captions. Raises StorageFull."""
    if _is_same(table.name, table, layout) and not is_made(table, layout):
        write_json(layout.manifest(table.name), read_json(layout.manifest(table.name)) | {"captions": table.captions})


def _is_same(name: str, table: Table, layout: Layout) -> bool:
    """Tell whether what is there under a name is whole and has the content of a table, whatever the captions."""
    manifest, matrix = read_json(layout.manifest(name)), layout.matrix(name)
    return (
        isinstance(manifest, dict)
        and manifest.get("digest") == table.digest
        and layout.ids(name).is_file()
        and matrix.is_file()
        and matrix.stat().st_size > table.bytes
    )


def _link_twin(table: Table, layout: Layout) -> dict[str, Any] | None:
    """Give a table the files of another with the same content, by hard links; None where there is none.

    A third of the published nodes are one structure to us ("lungs", "lung parenchyma", "airspace").
    """
    for name in table.twins:
        if _is_same(name, table, layout):
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
        rows.writerow([ID_COLUMN])
        rows.writerows([name] for name in table.ids)


def _write_rows(table: Table, layout: Layout, advance: Advance) -> Distribution:
    """Write the matrix row after row: a full disk is an error here, where a memory map would end the process."""
    distribution = Distribution()
    with ExitStack() as stack:
        handle = stack.enter_context(stack.enter_context(beside(layout.matrix(table.name))).open("wb"))
        neighbours = None
        if can_write():
            path = stack.enter_context(beside(layout.neighbours(table.name)))
            neighbours = stack.enter_context(NeighbourTable(path, table.ids, table.entities))
        _write_header(handle, len(table.ids))
        for first, rows in _blocks(table):
            rows.tofile(handle)
            distribution.add(rows)
            if neighbours is not None:
                neighbours.add(first, rows)
            advance(len(rows))
    return distribution


def _write_header(handle: IO[bytes], size: int) -> None:
    npy.write_array_header_1_0(handle, {"descr": "<f4", "fortran_order": False, "shape": (size, size)})
    handle.flush()  # rows.tofile writes past Python's buffer


def _blocks(table: Table) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Row blocks with 1 on the diagonal: the own report has s = 1, whatever it contradicts (method spec 5.2)."""
    scoring = table.scoring
    for first, rows in similarity_blocks(table.entities, scoring.embedder, scoring.weights, scoring.memory):
        own = np.arange(len(rows))
        rows[own, first + own] = 1.0
        yield first, np.ascontiguousarray(rows, dtype="<f4")


def _manifest(table: Table, similarity: dict[str, Any]) -> dict[str, Any]:
    return {
        "table": table.name,
        "keys": list(table.keys),
        "modality": table.modality.value,
        "studies": len(table.ids),
        "distinct": len(set(table.entities)),
        "digest": table.digest,
        "captions": table.captions,
        "format": FORMAT,
        "parser": PARSER_VERSION,
        "embedder": table.scoring.embedder.identity,
        "weights": table.scoring.weights.name,
        "similarity": similarity,
    }
