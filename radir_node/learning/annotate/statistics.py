"""How the similarities of a table are distributed, counted while its rows pass by."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

HUNDREDTHS = 101
_ROWS_AT_ONCE = 256

POSITIVE, CLOSE, MIDDLE = 0.9, 0.75, 0.5
"""Above the first a pair is a positive of the published evaluation (method spec 5.2); from the second on the published
training does not take it for a negative (3); the third is in the middle."""


@dataclass
class Distribution:
    """Counts of a matrix without its diagonal. Values are counted as they are read: two decimals (method spec 4.4)."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(HUNDREDTHS, dtype=np.int64))
    """[101]: pairs at 0.00, 0.01 ... 1.00; each pair twice, as (a, b) and as (b, a)."""
    total: float = 0.0
    """Sum of all values, not rounded."""

    def add(self, rows: NDArray[np.float32]) -> None:
        """Count rows whose diagonal is 1, and take that diagonal off again."""
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            hundredths = np.rint(some * 100).astype(np.uint8).ravel()
            self.counts += np.bincount(hundredths, minlength=HUNDREDTHS)
            self.total += float(some.sum(dtype=np.float64)) - len(some)
        self.counts[-1] -= len(rows)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values for the manifest."""
        return {"pairs": int(self.counts.sum()), "mean": self.mean, "counts": self.counts.tolist()}

    @property
    def mean(self) -> float | None:
        """Mean of all pairs; None where there is none."""
        pairs = int(self.counts.sum())
        return round(self.total / pairs, 6) if pairs else None


def shares(similarity: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Split the pairs of a manifest at POSITIVE, CLOSE and MIDDLE: shares above 0.9, from 0.75, from 0.5, and below."""
    counts, pairs = similarity["counts"], max(1, similarity["pairs"])
    positive, close, middle = (round(bound * 100) for bound in (POSITIVE, CLOSE, MIDDLE))
    parts = counts[positive + 1 :], counts[close : positive + 1], counts[middle:close], counts[:middle]
    first, second, third, fourth = (sum(part) / pairs for part in parts)
    return first, second, third, fourth


def quantile(similarity: Mapping[str, Any], share: float) -> float:
    """Give the value that so many of the pairs of a manifest do not exceed, to two decimals."""
    cumulated = np.cumsum(similarity["counts"])
    return float(np.searchsorted(cumulated, share * similarity["pairs"])) / 100
