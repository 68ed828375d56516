"""A sample of pairs for people to judge: random ones of high and of low similarity, with texts and matches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radir_node.domain.report import Status, Tag
from radir_node.errors import UserError
from radir_node.learning.annotate.layout import ID_COLUMN, Layout, digest_of
from radir_node.learning.annotate.nodes import WHOLE
from radir_node.learning.annotate.sources.rows import csv_rows, json_rows
from radir_node.learning.annotate.statistics import MIDDLE, POSITIVE
from radir_node.learning.annotate.tables import manifest_of
from radir_node.reports.parser import parse
from radir_node.reports.similarity.embedder import VocabularyEmbedder
from radir_node.reports.similarity.entities import OVERALL, entities_of, speaks_of
from radir_node.reports.similarity.matches import PairScore, score_pair
from radir_node.reports.similarity.weights import WEIGHTS

PAIRS = 40
"""Pairs of each kind."""
_MOST_ROWS = 4000
"""Rows that are looked at for pairs of one kind; a matrix may be larger than the memory."""

Part = tuple[str, str]
"""Text, and how it is marked: believed, denied, or nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two studies of a pair."""

    study: str
    parts: tuple[Part, ...]
    """The whole text in order; sentences about the anatomy are marked."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two studies to be judged."""

    kind: str
    """high | low."""
    similarity: float
    """As the matrix has it."""
    first: Side
    second: Side
    match: PairScore


@dataclass(frozen=True)
class Sample:
    """Pairs of one table in random order, so that the order tells nothing of the score."""

    split: str
    table: str
    manifest: dict[str, Any]
    seed: int
    pairs: tuple[Pair, ...]


def draw_sample(layout: Layout, table: str, seed: int, pairs: int = PAIRS) -> Sample:
    """Draw pairs above 0.9 and pairs below 0.5 whose texts differ; fewer where there are not so many.

    Raises UserError where the table has not been made, was made of other reports, or has no such pair.
    """
    manifest = _manifest(layout, table)
    ids, said = _studies(layout, table)
    matrix = _matrix(layout, table, len(ids))
    random = np.random.default_rng(seed)
    high = _draw(matrix, said, random, pairs, above=True)
    low = _draw(matrix, said, random, pairs, above=False)
    if not high and not low:
        raise UserError(f"{layout.matrix(table)}: no pair above {POSITIVE} or below {MIDDLE} to be judged")
    chosen = [("high", pair) for pair in high] + [("low", pair) for pair in low]
    keys = tuple(manifest["keys"]) or OVERALL
    shown = tuple(
        _pair(chosen[number][0], chosen[number][1], ids, said, matrix, keys, manifest["weights"])
        for number in random.permutation(len(chosen))
    )
    return Sample(layout.split, table, manifest, seed, shown)


def _manifest(layout: Layout, table: str) -> dict[str, Any]:
    if not layout.manifest(table).is_file():
        raise UserError(f"{layout.out} has no table {table!r} of the split {layout.split!r}")
    manifest = manifest_of(table, layout, digest_of(layout.captions))
    if manifest is None:
        raise UserError(f"the table {table!r} was made of other reports than {layout.captions} holds; make it again")
    return manifest


def _studies(layout: Layout, table: str) -> tuple[Sequence[str], Sequence[str]]:
    """Read the ids of a table in the order of its rows, and their texts."""
    texts = {row["name"]: row["text"] for _, row in json_rows(layout.captions, ("name", "text"))}
    if table == WHOLE:
        return tuple(texts), tuple(texts.values())
    ids = [row[ID_COLUMN] for _, row in csv_rows(layout.ids(table), (ID_COLUMN,))]
    if not texts.keys() >= set(ids):
        raise UserError(f"{layout.ids(table)} names studies that {layout.captions} does not hold; make it again")
    return ids, [texts[name] for name in ids]


def _matrix(layout: Layout, table: str, size: int) -> NDArray[np.float32]:
    try:
        matrix: NDArray[np.float32] = np.load(layout.matrix(table), mmap_mode="r")
    except (OSError, EOFError, ValueError):
        raise UserError(f"{layout.matrix(table)}: no matrix that can be read") from None
    if matrix.shape != (size, size):
        raise UserError(f"{layout.matrix(table)}: {list(matrix.shape)}, but its list has {size} studies")
    return matrix


def _draw(
    matrix: NDArray[np.float32], texts: Sequence[str], random: np.random.Generator, pairs: int, *, above: bool
) -> list[tuple[int, int]]:
    """Take a random row and one of its partners of that kind, until there are enough; each row gives one pair."""
    found: dict[frozenset[int], tuple[int, int]] = {}
    for row in random.permutation(len(matrix))[:_MOST_ROWS]:
        values = np.asarray(matrix[row])
        partners = np.flatnonzero(values > POSITIVE if above else values < MIDDLE)
        partners = np.array([p for p in random.permutation(partners)[:50] if texts[p] != texts[row]], dtype=np.intp)
        if len(partners):
            found.setdefault(frozenset((int(row), int(partners[0]))), (int(row), int(partners[0])))
        if len(found) == pairs:
            break
    return list(found.values())


def _pair(
    kind: str,
    pair: tuple[int, int],
    ids: Sequence[str],
    texts: Sequence[str],
    matrix: NDArray[np.float32],
    keys: Sequence[str],
    weights: str,
) -> Pair:
    tags = [parse(texts[number]) for number in pair]
    first, second = (entities_of(those, keys) for those in tags)
    one, two = (Side(ids[n], tuple(_parts(texts[n], those, keys))) for n, those in zip(pair, tags, strict=True))
    match = score_pair(first, second, VocabularyEmbedder(), WEIGHTS[weights])
    return Pair(kind, float(matrix[pair]), one, two, match)


def _parts(text: str, tags: Sequence[Tag], keys: Sequence[str]) -> Iterator[Part]:
    """Cut a text at its sentences about the anatomy; one that states something is marked so, whatever it denies."""
    marks: dict[tuple[int, int], str] = {}
    for tag in tags:
        if speaks_of(tag, keys):
            span = tag.sentence_start, tag.sentence_end
            believed = tag.status in (Status.PRESENT, Status.UNCERTAIN) or marks.get(span) == "believed"
            marks[span] = "believed" if believed else "denied"
    place = 0
    for (start, end), mark in sorted(marks.items()):
        if start >= place:
            yield text[place:start], ""
            yield text[start:end], mark
            place = end
    yield text[place:], ""
