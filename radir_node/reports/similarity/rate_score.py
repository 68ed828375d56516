"""RaTEScore between all pairs of many reports, exactly, without a loop over pairs (method spec 4.2).

An entity's best match in a report depends on the two alone. So for some reports at a time, the best match of every
entity of the vocabulary is found by as many steps as the longest of them has entities; a sparse product then sums, for
every report, over the entities it has. Called by learning.annotate, block by block: no N x N array is held here.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from radir_node.reports.similarity.corpus import Corpus, make_corpus
from radir_node.reports.similarity.embedder import EntityEmbedder, unit_rows
from radir_node.reports.similarity.entities import Entity
from radir_node.reports.similarity.weights import LONG, Weights

Matrix = NDArray[np.float32]
Block = tuple[int, Matrix]
"""Number of the first row, and rows [some, reports]."""

NO_ENTITY = 0.5
"""RaTEScore where one of the two reports has no entity."""
DIGITS = 6
"""Decimals of a cosine: what is a tie on one machine is one on all."""
MEMORY = 1 << 30
"""Bytes that may be used beside the cosines of the vocabulary, which take 4 x strings x strings; more are faster up to
about 8 x vocabulary x distinct reports."""

_PANEL = 512
_SQUARE = 1024
_MOST_ROWS = 2048
_FEWEST_ROWS = 16


def similarity_blocks(
    reports: Sequence[Sequence[Entity]], embedder: EntityEmbedder, weights: Weights = LONG, memory: int = MEMORY
) -> Iterator[Block]:
    """Yield the RaTEScore of every report with all reports, in blocks of rows from the first to the last.

    Values in [0, 1]; 0.5 where a report has no entity, the diagonal included; 0 where precision and recall do not sum
    to more than 0, which only an embedder with negative cosines can bring about. A tie between matches goes to the
    entity that sorts first. A report with itself has 1, unless it both states and denies the same thing at one place.
    memory: bytes, see MEMORY. Raises ValueError for an embedder that returns no unit vectors.
    """
    corpus = make_corpus(reports)
    scorer = _Scorer(corpus, cosines(corpus.texts, embedder), weights, memory // 2)
    step = int(np.clip(memory // (2 * 6 * 4 * max(1, len(reports))), _FEWEST_ROWS, _MOST_ROWS))
    for first in range(0, len(reports), step):
        wanted, back = np.unique(corpus.distinct[first : first + step], return_inverse=True)
        yield first, scorer.rows(wanted)[back][:, corpus.distinct]


def cosines(texts: Sequence[str], embedder: EntityEmbedder) -> Matrix:
    """Return the cosines [texts, texts], exactly symmetric, exactly 1 on the diagonal. Raises ValueError.

    Sums are of double precision, or DIGITS would not hold, but a small square at a time: only what is returned is held,
    1.1 GB for the whole vocabulary.
    """
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    vectors = unit_rows(embedder.embed(texts), len(texts))
    found = np.empty((len(texts), len(texts)), dtype=np.float32)
    for top in range(0, len(texts), _SQUARE):
        rows = vectors[top : top + _SQUARE].astype(np.float64)
        for left in range(top, len(texts), _SQUARE):
            products = rows @ vectors[left : left + _SQUARE].T.astype(np.float64)
            if left == top:
                products = (products + products.T) / 2
            block = np.clip(products, -1.0, 1.0).round(DIGITS).astype(np.float32)
            found[top : top + _SQUARE, left : left + _SQUARE] = block
            found[left : left + _SQUARE, top : top + _SQUARE] = block.T
    np.fill_diagonal(found, 1.0)
    return found


class _Scorer:
    """Scores of the distinct reports of a corpus. Keeps the matches of as many panels as `memory` bytes hold."""

    def __init__(self, corpus: Corpus, cosine: Matrix, weights: Weights, memory: int) -> None:
        self._corpus = corpus
        self._cosine = cosine
        self._weight, self._penalised = weights.matrix().ravel(), weights.penalised().ravel()
        self._types = len(weights.table)
        self._kept: dict[int, tuple[Matrix, Matrix]] = {}
        self._may_keep = memory // (8 * _PANEL * max(1, corpus.vocabulary))

    def rows(self, wanted: NDArray[np.intp]) -> Matrix:
        """Return the scores [wanted, distinct reports] of some distinct reports with all."""
        corpus = self._corpus
        everyone = len(corpus.length)
        if corpus.vocabulary == 0:
            return np.full((len(wanted), everyone), NO_ENTITY, dtype=np.float32)
        theirs = _directed(corpus.counts, *self._matches(wanted)).T
        ours = np.empty((len(wanted), everyone), dtype=np.float32)
        counts = corpus.counts[wanted]
        for start in range(0, everyone, _PANEL):
            ours[:, start : start + _PANEL] = _directed(counts, *self._panel(start))
        scores = _harmonic(ours, theirs)
        scores[corpus.length[wanted] == 0] = NO_ENTITY
        scores[:, corpus.length == 0] = NO_ENTITY
        return scores

    def _panel(self, start: int) -> tuple[Matrix, Matrix]:
        if start in self._kept:
            return self._kept[start]
        found = self._matches(np.arange(start, min(start + _PANEL, len(self._corpus.length))))
        if len(self._kept) < self._may_keep:
            self._kept[start] = found
        return found

    def _matches(self, reports: NDArray[np.intp]) -> tuple[Matrix, Matrix]:
        """Match every entity of the vocabulary in each report: [vocabulary, reports] of cos * w * n, and of w."""
        corpus = self._corpus
        members = corpus.members[reports, : max(1, corpus.length[reports].max(initial=0))]
        best = self._cosine[corpus.string[members[:, 0]]]
        kind = np.repeat(corpus.kind[members[:, 0]][:, None], best.shape[1], axis=1)
        for position in range(1, members.shape[1]):
            candidate = self._cosine[corpus.string[members[:, position]]]
            better = candidate > best
            np.copyto(best, candidate, where=better)
            np.copyto(kind, corpus.kind[members[:, position]][:, None], where=better)
        match = np.ascontiguousarray(kind.T)[corpus.string] + self._types * corpus.kind[:, None]
        value = np.ascontiguousarray(best.T)[corpus.string]
        value *= self._penalised[match]
        return value, self._weight[match]


def _directed(counts: Matrix, value: Matrix, weight: Matrix) -> Matrix:
    """Score each report of `counts` against each that was matched: sum(cos * w * n) / sum(w); 0 where that is 0."""
    total: Matrix = counts @ weight
    share: Matrix = counts @ value
    np.divide(share, total, out=share, where=total > 0)
    return share


def _harmonic(precision: Matrix, recall: Matrix) -> Matrix:
    """2 P R / (P + R), cut to [0, 1]; 0 where P + R is not positive."""
    total = precision + recall
    scores: Matrix = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return scores.clip(0.0, 1.0)
