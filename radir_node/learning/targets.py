"""What the radiograph network is fitted to: findings of the report, and the similarity of reports as coordinates.

Called by radir_node.learning.train_cxr.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from radir_node.learning.openi import OpeniStudy
from radir_node.learning.relevance import anatomies_of, chains_at, jaccard_matrix, with_prefixes

FEWEST = 6
"""A label that fewer training studies have is not fitted."""
_RARITY = 0.25


def labels_of(study: OpeniStudy) -> frozenset[str]:
    """Return a study's labels: chains and their beginnings, headings by site, sites, and the 14-finding gold."""
    by_site = {
        label
        for chain in study.chains
        for key in anatomies_of(chain)
        for label in (f"@{key}", f"{chain.split('/')[0]}@{key}")
    }
    gold = {f"#{name}" for name, present in study.findings.items() if present}
    return with_prefixes(study.chains) | by_site | gold


def finding_targets(studies: Sequence[OpeniStudy]) -> NDArray[np.float32]:
    """Return [studies, labels]: 0 or 1 less the label's frequency, rarer labels weighted up a little."""
    sets = [labels_of(study) for study in studies]
    counts = Counter(label for labels in sets for label in labels)
    names = {name: column for column, name in enumerate(sorted(n for n, count in counts.items() if count >= FEWEST))}
    matrix = np.zeros((len(studies), len(names)), dtype=np.float32)
    for row, labels in enumerate(sets):
        matrix[row, [names[label] for label in labels if label in names]] = 1.0
    frequency = matrix.mean(axis=0)
    targets: NDArray[np.float32] = (matrix - frequency) / frequency**_RARITY
    return targets


def likeness_targets(studies: Sequence[OpeniStudy], dimensions: int) -> NDArray[np.float32]:
    """Return coordinates whose dot products approximate the (centred) Jaccard index of the studies' chains."""
    return coordinates(_similarity([with_prefixes(study.chains) for study in studies]), dimensions)


def anatomy_targets(
    studies: Sequence[OpeniStudy], anatomy: str, dimensions: int, emptiness: float
) -> NDArray[np.float32]:
    """As likeness_targets, of the chains at one anatomy.

    Two studies without a chain there are alike by `emptiness`, so that the coordinates also tell affected from not.
    """
    here = [with_prefixes(chains_at(study.chains, anatomy)) for study in studies]
    empty = np.array([not chains for chains in here], dtype=np.float32)
    return coordinates(_similarity(here) + emptiness * np.outer(empty, empty), dimensions)


def coordinates(similarity: NDArray[np.float64], dimensions: int) -> NDArray[np.float32]:
    """Return the leading principal coordinates of a positive semi-definite similarity, centred: [n, dimensions]."""
    means = similarity.mean(axis=0)
    centred = similarity - means[None, :] - means[:, None] + means.mean()
    values, vectors = np.linalg.eigh(centred)
    kept = slice(-1, -min(dimensions, len(values)) - 1, -1)
    found: NDArray[np.float32] = (vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0.0))).astype(np.float32)
    return found


def _similarity(chains: Sequence[frozenset[str]]) -> NDArray[np.float64]:
    return jaccard_matrix(chains, chains).astype(np.float64)
