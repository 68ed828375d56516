"""Many reports as numbers: a vocabulary of entities, and each distinct report once. Used by rate_score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from radir_node.reports.similarity.entities import Entity, EntityType

_NUMBER = {kind: number for number, kind in enumerate(EntityType)}


@dataclass(frozen=True)
class Corpus:
    """Reports whose order and number say nothing of how they are kept: each distinct one once, shorter ones first."""

    texts: tuple[str, ...]
    """Distinct strings, sorted."""
    string: NDArray[np.intp]
    """[vocabulary]: string of each entity of the vocabulary, which is sorted as entities are."""
    kind: NDArray[np.uint8]
    """[vocabulary]: number of its type."""
    counts: Any
    """Sparse float32 [distinct reports, vocabulary]: how often a report has an entity."""
    members: NDArray[np.intp]
    """[distinct reports, longest]: entities of a report in ascending order, the first repeated to fill the row."""
    length: NDArray[np.intp]
    """[distinct reports]: how many distinct entities a report has; 0 where it has none."""
    distinct: NDArray[np.intp]
    """[reports]: the row of each report among the distinct ones."""

    @property
    def vocabulary(self) -> int:
        return len(self.string)


def make_corpus(reports: Sequence[Sequence[Entity]]) -> Corpus:
    """Number the entities of reports. What a report contains counts, not the order in which it does."""
    keys = [tuple(sorted(report)) for report in reports]
    kept = sorted(set(keys), key=lambda report: (len(set(report)), report))
    row = {report: number for number, report in enumerate(kept)}
    vocabulary = sorted({entity for report in kept for entity in report})
    texts = tuple(sorted({entity.text for entity in vocabulary}))
    text_number = {text: number for number, text in enumerate(texts)}
    entity_number = {entity: number for number, entity in enumerate(vocabulary)}
    numbers = [[entity_number[entity] for entity in report] for report in kept]
    members, length = _members(numbers)
    return Corpus(
        texts=texts,
        string=np.array([text_number[entity.text] for entity in vocabulary], dtype=np.intp),
        kind=np.array([_NUMBER[entity.type] for entity in vocabulary], dtype=np.uint8),
        counts=_counts(numbers, len(vocabulary)),
        members=members,
        length=length,
        distinct=np.array([row[key] for key in keys], dtype=np.intp),
    )


def _members(reports: Sequence[Sequence[int]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    sets = [sorted(set(report)) for report in reports]
    length = np.array([len(entities) for entities in sets], dtype=np.intp)
    members = np.zeros((len(sets), max(1, length.max(initial=0))), dtype=np.intp)
    for row, entities in zip(members, sets, strict=True):
        row[: len(entities)] = entities
        row[len(entities) :] = entities[0] if entities else 0
    return members, length


def _counts(reports: Sequence[Sequence[int]], vocabulary: int) -> Any:
    """Repeated entities are summed in the order of the vocabulary, so that sums do not depend on the machine."""
    columns = np.array([entity for report in reports for entity in report], dtype=np.int32)
    bounds = np.cumsum([0, *(len(report) for report in reports)]).astype(np.int32)
    counts = sparse.csr_matrix(
        (np.ones(len(columns), dtype=np.float32), columns, bounds), shape=(len(reports), vocabulary)
    )
    counts.sum_duplicates()
    return counts
