"""Scores a radiograph encoder on Open-i: how much of the MeSH chains the ten nearest studies share with the query.

Called by `radir eval cxr-openi`. Needs the data folder and an encoder; no torch. Relevance is derived, not judged by
people (see radir_node.learning.relevance); query set = gallery = the held-out studies, the query itself left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radir_node.domain.embedding import GLOBAL, Encoded, ModelVersion
from radir_node.domain.study import Radiograph
from radir_node.errors import UserError
from radir_node.learning.openi import OpeniStudy, Part, first_radiograph, read_studies
from radir_node.learning.relevance import chains_at, jaccard_matrix, with_prefixes

TOP = 10
_BATCH = 16
_PIXEL_SIDE = 32


class BatchEncoder(Protocol):
    """What evaluation needs of an encoder: several radiographs at once."""

    version: ModelVersion

    def encode_batch(self, images: list[Radiograph]) -> list[Encoded]: ...


@dataclass(frozen=True, slots=True)
class RankingScores:
    """Mean Jaccard of the top ten of one set of queries, in [0, 1]: by chance, by two rankings, and at best."""

    queries: int
    random: float
    pixel32: float
    """Cosine of the mean-free 32 x 32 pixel image."""
    encoder: float
    """Cosine of the encoder's global vectors."""
    ideal: float


@dataclass(frozen=True, slots=True)
class AnatomyScores:
    """Mean Jaccard, at one anatomy, of the top ten of the queries with a chain there."""

    anatomy: str
    queries: int
    random: float
    pixel32: float
    encoder_global: float
    conditioned: float
    ideal: float


@dataclass(frozen=True, slots=True)
class OpeniEvaluation:
    """Everything `radir eval cxr-openi` prints."""

    model_id: str
    part: str
    studies: int
    abnormal: RankingScores
    normal: RankingScores
    abnormal_whole_chains: RankingScores
    """As `abnormal`, but two chains count as shared only when they are equal to the last qualifier."""
    anatomies: tuple[AnatomyScores, ...]

    def macro(self) -> AnatomyScores:
        """Return the plain mean over the anatomies that have queries."""
        rows = [row for row in self.anatomies if row.queries]
        means = {
            name: float(np.mean([getattr(row, name) for row in rows])) if rows else 0.0
            for name in ("random", "pixel32", "encoder_global", "conditioned", "ideal")
        }
        return AnatomyScores(anatomy="macro", queries=sum(row.queries for row in rows), **means)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "anatomies": [asdict(row) for row in self.anatomies], "macro": asdict(self.macro())}


def evaluate_cxr_openi(data: Path, encoder: BatchEncoder, part: Part = Part.HELD_OUT) -> OpeniEvaluation:
    """Encode one part of data/openi and score it. Raises UserError when the part has fewer than two studies."""
    studies = read_studies(data, part)
    if len(studies) < 2:
        raise UserError(f"nothing to rank: {data / 'openi'} has {len(studies)} coded {part} studies")
    images = [first_radiograph(study) for study in studies]
    pixels = np.stack([_pixel_vector(image) for image in images])
    return score(studies, pixels, _vectors(encoder, images), encoder.version, part)


def table(result: OpeniEvaluation) -> str:
    """Return the result as text, figures x 100."""
    lines = [
        f"Open-i, {result.part} studies: {result.studies}; model {result.model_id}",
        f"mean Jaccard of MeSH chains of the top {TOP}, x 100",
        "",
        f"{'queries':<28}{'n':>5}{'random':>9}{'pixel32':>9}{'global':>9}{'ideal':>9}",
        _ranking_line("abnormal", result.abnormal),
        _ranking_line("normal", result.normal),
        _ranking_line("abnormal, whole chains only", result.abnormal_whole_chains),
        "",
        f"{'chains at':<28}{'n':>5}{'random':>9}{'pixel32':>9}{'global':>9}{'cond.':>9}{'ideal':>9}",
        *(_anatomy_line(row) for row in (*result.anatomies, result.macro())),
    ]
    return "\n".join(lines)


def score(
    studies: Sequence[OpeniStudy],
    pixels: NDArray[np.float32],
    vectors: Mapping[str, NDArray[np.float32]],
    version: ModelVersion,
    part: Part = Part.HELD_OUT,
) -> OpeniEvaluation:
    """Score vectors [studies, 512] of each partition against the studies' chains; pixels: [studies, 1024]."""
    graded = [with_prefixes(study.chains) for study in studies]
    normal = np.array([study.is_normal for study in studies])
    relevance = _relevance(graded)
    ranked = {"pixel32": _ranking(pixels), "encoder": _ranking(vectors[GLOBAL])}
    return OpeniEvaluation(
        model_id=version.id,
        part=str(part),
        studies=len(studies),
        abnormal=_score(relevance, ~normal, ranked),
        normal=_score(relevance, normal, ranked),
        abnormal_whole_chains=_score(_relevance([study.chains for study in studies]), ~normal, ranked),
        anatomies=tuple(_score_anatomy(name, studies, ranked, _ranking(vectors[name])) for name in version.anatomies),
    )


def _vectors(encoder: BatchEncoder, images: Sequence[Radiograph]) -> dict[str, NDArray[np.float32]]:
    encoded: list[Encoded] = []
    for start in range(0, len(images), _BATCH):
        encoded.extend(encoder.encode_batch(list(images[start : start + _BATCH])))
    return {key: np.stack([item.vectors[key] for item in encoded]) for key in (GLOBAL, *encoder.version.anatomies)}


def _pixel_vector(image: Radiograph) -> NDArray[np.float32]:
    small = Image.fromarray(image.pixels).resize((_PIXEL_SIDE, _PIXEL_SIDE), Image.Resampling.BICUBIC)
    vector = np.asarray(small, dtype=np.float32).ravel()
    centred: NDArray[np.float32] = vector - vector.mean()
    return centred


def _relevance(chains: Sequence[frozenset[str]]) -> NDArray[np.float32]:
    """[n, n], with nothing to gain from ranking oneself."""
    matrix = jaccard_matrix(chains, chains)
    np.fill_diagonal(matrix, 0.0)
    return matrix


def _ranking(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """[n, TOP] indices by falling cosine, the query left out; ties keep the order of the studies."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    top: NDArray[np.intp] = np.argsort(-cosine, axis=1, kind="stable")[:, : min(TOP, len(unit) - 1)]
    return top


def _mean_of_top(relevance: NDArray[np.float32], top: NDArray[np.intp], queries: NDArray[np.bool_]) -> float:
    return float(np.take_along_axis(relevance, top, axis=1).mean(axis=1)[queries].mean()) if queries.any() else 0.0


def _bounds(relevance: NDArray[np.float32], queries: NDArray[np.bool_]) -> tuple[float, float]:
    """What a random and an ideal ranking reach."""
    if not queries.any():
        return 0.0, 0.0
    others = len(relevance) - 1
    best = np.sort(relevance[queries], axis=1)[:, ::-1][:, : min(TOP, others)]
    return float(relevance[queries].sum(axis=1).mean() / others), float(best.mean())


def _score(
    relevance: NDArray[np.float32], queries: NDArray[np.bool_], ranked: Mapping[str, NDArray[np.intp]]
) -> RankingScores:
    chance, ideal = _bounds(relevance, queries)
    means = {name: _mean_of_top(relevance, top, queries) for name, top in ranked.items()}
    return RankingScores(queries=int(queries.sum()), random=chance, ideal=ideal, **means)


def _score_anatomy(
    anatomy: str, studies: Sequence[OpeniStudy], ranked: Mapping[str, NDArray[np.intp]], conditioned: NDArray[np.intp]
) -> AnatomyScores:
    here = [with_prefixes(chains_at(study.chains, anatomy)) for study in studies]
    queries = np.array([bool(chains) for chains in here])
    relevance = _relevance(here)
    chance, ideal = _bounds(relevance, queries)
    return AnatomyScores(
        anatomy=anatomy,
        queries=int(queries.sum()),
        random=chance,
        pixel32=_mean_of_top(relevance, ranked["pixel32"], queries),
        encoder_global=_mean_of_top(relevance, ranked["encoder"], queries),
        conditioned=_mean_of_top(relevance, conditioned, queries),
        ideal=ideal,
    )


def _ranking_line(name: str, row: RankingScores) -> str:
    return f"{name:<28}{row.queries:>5}{_cells(row.random, row.pixel32, row.encoder, row.ideal)}"


def _anatomy_line(row: AnatomyScores) -> str:
    values = _cells(row.random, row.pixel32, row.encoder_global, row.conditioned, row.ideal)
    return f"{row.anatomy:<28}{row.queries:>5}{values}"


def _cells(*values: float) -> str:
    return "".join(f"{100 * value:>9.2f}" for value in values)
