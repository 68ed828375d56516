"""One pair of reports in full: which entity was matched with which, and what that gave. For people who judge it."""

from collections.abc import Sequence
from dataclasses import dataclass

from radir_node.reports.similarity.embedder import EntityEmbedder
from radir_node.reports.similarity.entities import Entity, EntityType
from radir_node.reports.similarity.rate_score import NO_ENTITY, cosines
from radir_node.reports.similarity.weights import LONG, Weights


@dataclass(frozen=True, slots=True)
class EntityMatch:
    """An entity and its best match in the other report."""

    entity: Entity
    matched: Entity
    cosine: float
    weight: float
    penalised: bool
    """One of the two is denied, the other not."""


@dataclass(frozen=True, slots=True)
class PairScore:
    """RaTEScore of two reports with its parts; precision is of the first in the second."""

    score: float
    precision: float
    recall: float
    first: tuple[EntityMatch, ...]
    """Each entity of the first report with its match in the second, in sorted order."""
    second: tuple[EntityMatch, ...]


def score_pair(
    first: Sequence[Entity], second: Sequence[Entity], embedder: EntityEmbedder, weights: Weights = LONG
) -> PairScore:
    """Score two reports by the same rules as similarity_blocks. Raises ValueError as it does."""
    if not first or not second:
        return PairScore(NO_ENTITY, 0.0, 0.0, (), ())
    there, back = _match(first, second, embedder, weights), _match(second, first, embedder, weights)
    precision, recall = _share(there, weights), _share(back, weights)
    total = precision + recall
    score = min(max(2 * precision * recall / total, 0.0), 1.0) if total > 0 else 0.0
    return PairScore(score, precision, recall, there, back)


def _match(
    own: Sequence[Entity], other: Sequence[Entity], embedder: EntityEmbedder, weights: Weights
) -> tuple[EntityMatch, ...]:
    own, other = sorted(own), sorted(other)
    texts = sorted({entity.text for entity in (*own, *other)})
    cosine, row = cosines(texts, embedder), {text: number for number, text in enumerate(texts)}
    order, table, penalised = tuple(EntityType), weights.matrix(), weights.penalised()
    found = []
    for entity in own:
        nearness = cosine[row[entity.text]]
        best = max(other, key=lambda candidate: nearness[row[candidate.text]])  # the first of equals
        types = order.index(entity.type), order.index(best.type)
        is_penalised = bool(table[types] != penalised[types])
        found.append(EntityMatch(entity, best, float(nearness[row[best.text]]), float(table[types]), is_penalised))
    return tuple(found)


def _share(matches: Sequence[EntityMatch], weights: Weights) -> float:
    total = sum(match.weight for match in matches)
    value = sum(m.cosine * m.weight * (weights.negation if m.penalised else 1.0) for m in matches)
    return value / total if total else 0.0
