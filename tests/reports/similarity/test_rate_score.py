"""RaTEScore over many reports: equal to the formula written out, pair by pair."""

import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radir_node.reports.similarity.embedder import VocabularyEmbedder
from radir_node.reports.similarity.entities import Entity, EntityType
from radir_node.reports.similarity.matches import score_pair
from radir_node.reports.similarity.rate_score import DIGITS, MEMORY, cosines, similarity_blocks
from radir_node.reports.similarity.weights import LONG, SHORT, WEIGHTS, Weights

ABNORMALITY, ANATOMY, DISEASE, NON_ABNORMALITY, NON_DISEASE = EntityType
Report = Sequence[Entity]
WORDS = [f"word {number}" for number in range(12)]


class Drawn:
    """An embedder of random directions, a few of them alike; cosines may be negative unless it is told otherwise."""

    def __init__(self, *, positive: bool = False) -> None:
        self.identity = f"drawn-{positive}"
        vectors = np.random.default_rng(5).normal(size=(len(WORDS), 6))
        vectors[3] = vectors[2]
        vectors[5] = vectors[4] + 0.1 * vectors[6]
        vectors = np.abs(vectors) if positive else vectors
        rows = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        self._rows = dict(zip(WORDS, rows, strict=True))

    def embed(self, texts):
        return np.stack([self._rows[text] for text in texts])


class Given:
    """An embedder whose cosines are written down: pairs of strings that are not named are at right angles."""

    identity = "given"

    def __init__(self, **angles: float) -> None:
        self._angles = angles

    def embed(self, texts):
        rows = np.zeros((len(texts), 2), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = np.cos(self._angles[text]), np.sin(self._angles[text])
        return rows


def similarity_matrix(reports: Sequence[Report], embedder, weights: Weights = LONG):
    """Put the blocks together."""
    blocks = [rows for _, rows in similarity_blocks(reports, embedder, weights, MEMORY)]
    return np.concatenate(blocks) if blocks else np.empty((0, 0))


def by_the_formula(first: Report, second: Report, embedder, weights: Weights) -> float:
    """Method spec 4.2, steps 4 and 5, one loop for each of its words."""
    if not first or not second:
        return 0.5
    precision, recall = direction(first, second, embedder, weights), direction(second, first, embedder, weights)
    if precision + recall <= 0:
        return 0.0
    return min(max(2 * precision * recall / (precision + recall), 0.0), 1.0)


def direction(own: Report, other: Report, embedder, weights: Weights) -> float:
    order = list(EntityType)
    present, denied = {ABNORMALITY, DISEASE}, {NON_ABNORMALITY, NON_DISEASE}
    numerator = denominator = 0.0
    for entity in own:
        best, best_cosine = None, -2.0
        for candidate in sorted(other):
            one, two = embedder.embed([entity.text, candidate.text]).astype(np.float64)
            cosine = 1.0 if entity.text == candidate.text else round(float(one @ two), DIGITS)
            if cosine > best_cosine:
                best, best_cosine = candidate, cosine
        w = weights.table[order.index(entity.type)][order.index(best.type)]
        crosses = (entity.type in present and best.type in denied) or (entity.type in denied and best.type in present)
        numerator += best_cosine * w * (weights.negation if crosses else 1.0)
        denominator += w
    return numerator / denominator if denominator else 0.0


entities = st.builds(Entity, st.sampled_from(WORDS), st.sampled_from(list(EntityType)))
reports = st.lists(st.lists(entities, max_size=7), min_size=1, max_size=9)
embedders = st.sampled_from([Drawn(), Drawn(positive=True)])
tables = st.sampled_from(list(WEIGHTS.values()))


@settings(max_examples=150)
@given(reports, embedders, tables)
def test_equals_the_formula(several: list[Report], embedder, weights: Weights) -> None:
    """Every pair of every set of reports has the value of the formula, to 1e-5."""
    expected = [[by_the_formula(a, b, embedder, weights) for b in several] for a in several]

    np.testing.assert_allclose(similarity_matrix(several, embedder, weights), expected, atol=1e-5)


@settings(max_examples=80)
@given(reports, embedders, tables)
def test_is_symmetric_and_in_range(several: list[Report], embedder, weights: Weights) -> None:
    """The texts may be swapped, and no value leaves [0, 1]."""
    matrix = similarity_matrix(several, embedder, weights)

    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    assert 0.0 <= matrix.min()
    assert matrix.max() <= 1.0
    assert np.float32 == matrix.dtype


@settings(max_examples=80)
@given(reports, embedders, st.data())
def test_the_order_of_reports_changes_nothing(several: list[Report], embedder, data) -> None:
    """Reports in another order, and entities in another order within them, give the same numbers at their places."""
    order = data.draw(st.permutations(range(len(several))))
    mixed = [data.draw(st.permutations(several[number])) for number in order]

    matrix = similarity_matrix(several, embedder)

    np.testing.assert_array_equal(matrix[np.ix_(order, order)], similarity_matrix(mixed, embedder))


@settings(max_examples=60)
@given(reports, embedders, tables)
def test_one_pair_is_explained_as_it_is_scored(several: list[Report], embedder, weights: Weights) -> None:
    """What people are shown of a pair is what stands in the matrix."""
    matrix = similarity_matrix(several, embedder, weights)

    explained = [[score_pair(a, b, embedder, weights).score for b in several] for a in several]

    np.testing.assert_allclose(matrix, explained, atol=1e-5)


@settings(max_examples=40)
@given(st.lists(st.lists(entities, max_size=7), min_size=20, max_size=60), st.integers(1, 4000))
def test_memory_changes_nothing(several: list[Report], memory: int) -> None:
    """Small blocks of rows give the same numbers as one, from the first row to the last."""
    blocks = list(similarity_blocks(several, Drawn(), memory=memory))

    assert [first for first, _ in blocks] == list(np.cumsum([0, *(len(rows) for _, rows in blocks)])[:-1])
    np.testing.assert_array_equal(similarity_matrix(several, Drawn()), np.concatenate([rows for _, rows in blocks]))


def test_one_entity_by_hand() -> None:
    """Two findings at 60 degrees: P = R = cos = 0.5 whatever the weight."""
    embedder = Given(a=0.0, b=np.pi / 3)

    matrix = similarity_matrix([[Entity("a", ABNORMALITY)], [Entity("b", ABNORMALITY)]], embedder)

    np.testing.assert_allclose([[1.0, 0.5], [0.5, 1.0]], matrix, atol=1e-6)


def test_negation_by_hand() -> None:
    """A finding against its denial is the factor of negation, whatever the weights of the two directions."""
    reports = [[Entity("a", ABNORMALITY)], [Entity("a", NON_ABNORMALITY)], [Entity("a", NON_DISEASE)]]

    long, short = (similarity_matrix(reports, Given(a=0.0), weights) for weights in (LONG, SHORT))

    np.testing.assert_allclose([1.0, LONG.negation, LONG.negation], long[0], atol=1e-6)
    np.testing.assert_allclose([1.0, SHORT.negation, SHORT.negation], short[0], atol=1e-6)
    assert 1.0 == pytest.approx(long[1, 2])


def test_both_directions_by_hand() -> None:
    """{a, place} against {a}: forth (0.4276 * 1 + 0.7488 * 0.8) / (0.4276 + 0.7488), back 1, harmonic mean of both."""
    embedder = Given(a=0.0, place=np.arccos(0.8))
    two, one = [Entity("a", ABNORMALITY), Entity("place", ANATOMY)], [Entity("a", ABNORMALITY)]

    found = similarity_matrix([two, one], embedder)[0, 1]

    precision = (0.4276119164 + 0.7487824274 * 0.8) / (0.4276119164 + 0.7487824274)
    assert 2 * precision / (precision + 1) == pytest.approx(found, abs=1e-6)


def test_repeated_entities_count_as_often() -> None:
    """{a, a, b} leans to a: its share in {a} is (2 + 0) / 3, that of {a, b} is 1 / 2."""
    a, b = Entity("a", ABNORMALITY), Entity("b", ABNORMALITY)

    found = similarity_matrix([[a, a, b], [a, b], [a]], Given(a=0.0, b=np.pi / 2))

    assert [2 * (2 / 3) / (5 / 3), 2 * 0.5 / 1.5] == pytest.approx(found[:2, 2], abs=1e-6)


def test_a_tie_goes_to_what_sorts_first() -> None:
    """Stated and denied in one report: the stated one is matched, so the denial meets the factor of negation."""
    both = [Entity("a", NON_ABNORMALITY), Entity("a", ABNORMALITY)]

    found = score_pair([Entity("a", NON_ABNORMALITY)], both, Given(a=0.0))

    assert Entity("a", ABNORMALITY) == found.first[0].matched
    assert found.first[0].penalised


def test_a_report_with_itself_is_1_unless_it_contradicts_itself() -> None:
    """Why whoever writes a matrix puts the 1 on its diagonal: what a report both states and denies costs it some."""
    plain = [Entity("a", ABNORMALITY), Entity("b", NON_DISEASE), Entity("b", ANATOMY)]
    contradictory = [Entity("a", ABNORMALITY), Entity("a", NON_ABNORMALITY)]

    matrix = similarity_matrix([plain, contradictory], Given(a=0.0, b=1.0))

    assert 1.0 == pytest.approx(matrix[0, 0], abs=1e-6)
    assert matrix[1, 1] < 0.98


def test_no_entity_is_one_half() -> None:
    """A report without entities is at 0.5 to all, itself included; so are all where no report has any."""
    reports = [[], [Entity("a", DISEASE)], []]

    np.testing.assert_allclose([[0.5, 0.5, 0.5], [0.5, 1.0, 0.5], [0.5] * 3], similarity_matrix(reports, Given(a=0)))
    np.testing.assert_array_equal(np.full((2, 2), 0.5), similarity_matrix([[], []], Given()))
    assert (0, 0) == similarity_matrix([], Given()).shape


def test_opposite_meanings_are_0() -> None:
    """Negative cosines in both directions: P + R is not positive."""
    reports = [[Entity("a", DISEASE)], [Entity("b", DISEASE)]]

    assert 0.0 == similarity_matrix(reports, Given(a=0.0, b=np.pi))[0, 1]


@pytest.mark.parametrize("rows", [np.ones((1, 3)), np.ones((2, 3)), np.ones(2)])
def test_what_is_no_unit_vector_is_refused(rows) -> None:
    """An embedder of another shape or length does not quietly give other scores."""

    class Wrong:
        identity = "wrong"

        def embed(self, texts):
            return rows

    with pytest.raises(ValueError, match="entity embedder must return"):
        similarity_matrix([[Entity("a", DISEASE)], [Entity("b", DISEASE)]], Wrong())


def test_ten_thousand_reports(bench_similarity: Callable[..., list[tuple[Entity, ...]]]) -> None:
    """10,000 x 10,000 at one anatomy, no two reports alike, within 600 MB beside 1 GB of the caller's leave."""
    reports = bench_similarity(10_000, distinct=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sample = np.random.default_rng(1).integers(0, len(reports), (25, 2))
    rows, diagonal, found = 0, [], {}

    for first, block in similarity_blocks(reports, VocabularyEmbedder()):
        rows += len(block)
        assert (len(block), len(reports)) == block.shape
        diagonal.append(block[np.arange(len(block)), first + np.arange(len(block))])
        found |= {(i, j): block[i - first, j] for i, j in sample if first <= i < first + len(block)}

    assert 10_000 == rows
    assert np.concatenate(diagonal).min() > 0.8
    expected = [score_pair(reports[i], reports[j], VocabularyEmbedder()).score for i, j in found]
    np.testing.assert_allclose(expected, list(found.values()), atol=1e-5)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_600 * 1024


def test_cosines_are_symmetric_across_their_squares() -> None:
    """More strings than one square of the product holds: as one product of double precision, rounded; 1 with itself."""
    vectors = np.abs(np.random.default_rng(3).normal(size=(2_500, 40))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    class Drawn:
        identity = "drawn"

        def embed(self, texts):
            return vectors

    found = cosines([str(number) for number in range(2_500)], Drawn())

    expected = np.round(vectors.astype(np.float64) @ vectors.T.astype(np.float64), DIGITS).astype(np.float32)
    np.fill_diagonal(expected, 1.0)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(expected, found, atol=1.01 * 10**-DIGITS)
    assert (expected != found).mean() < 1e-6


def test_cosines_take_one_square_of_memory() -> None:
    """6,000 strings: 137 MB are returned, and no more than half of that is needed beside."""
    strings = 6_000

    class Spread:
        identity = "spread"

        def embed(self, texts):
            return np.eye(8, dtype=np.float32)[np.arange(len(texts)) % 8]

    tracemalloc.start()
    cosines([str(number) for number in range(strings)], Spread())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 1.5 * 4 * strings**2


def test_the_numbers_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """Two interpreters with other hash seeds give the same bytes."""
    program = (
        "import sys; from radir_node.reports.parser import parse\n"
        "from radir_node.reports.similarity.embedder import VocabularyEmbedder\n"
        "from radir_node.reports.similarity.entities import entities_of\n"
        "from radir_node.reports.similarity.rate_score import similarity_blocks\n"
        "texts = ['Right pleural effusion.', 'No effusion. Edema of the left lung.', 'Cardiomegaly, no pneumonia.']\n"
        "blocks = similarity_blocks([entities_of(parse(text)) for text in texts], VocabularyEmbedder())\n"
        "sys.stdout.write(''.join(rows.tobytes().hex() for _, rows in blocks))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert 1 == len(found)
    assert len(found.pop()) == 9 * 4 * 2
