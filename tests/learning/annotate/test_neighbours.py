"""What people read of a matrix: the nearest studies of each, and how the values are distributed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radir_node.learning.annotate.neighbours import NeighbourTable, nearest, readable
from radir_node.learning.annotate.statistics import Distribution, quantile, shares
from radir_node.reports.parser import parse
from radir_node.reports.similarity.entities import entities_of


@given(st.integers(1, 12), st.integers(1, 5), st.integers(0, 1000))
def test_nearest_is_a_stable_sort(size: int, most: int, seed: int) -> None:
    """The best of each row but itself; among equals the one that comes first."""
    matrix = (np.random.default_rng(seed).integers(0, 4, (size, size)) / 4).astype(np.float32)
    expected = []
    for row, values in enumerate(matrix):
        order = [column for column in np.argsort(-values, kind="stable") if column != row]
        expected.append(order[:most])

    found = nearest(matrix, 0, most)

    assert [list(map(int, row)) for row in expected] == found.tolist()


def test_a_block_knows_where_it_begins() -> None:
    """Rows from the middle of the matrix leave out themselves, not the first ones."""
    matrix = np.eye(4, dtype=np.float32)

    assert [[0, 1, 3], [0, 1, 2]] == nearest(matrix[2:], 2, 3).tolist()


def test_the_table_is_read_back(tmp_path) -> None:
    """One row a pair, with ids, similarity and what both reports say."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    said = [entities_of(parse(text)) for text in ("Right pleural effusion.", "No pneumothorax.", "Cardiomegaly.")]
    matrix = np.array([[1, 0.5, 0.25], [0.5, 1, 0], [0.25, 0, 1]], dtype=np.float32)

    with NeighbourTable(tmp_path / "n.parquet", ["a", "b", "c"], said) as table:
        table.add(0, matrix[:2])
        table.add(2, matrix[2:])
    rows = parquet.read_table(tmp_path / "n.parquet").to_pylist()

    assert 6 == len(rows)
    assert {
        "study": "a",
        "rank": 1,
        "similar_study": "b",
        "similarity": 0.5,
        "report_says": "pleural effusion, right pleura",
        "similar_report_says": "no pneumothorax, pleura",
    } == rows[0]
    assert [("c", 1, "a"), ("c", 2, "b")] == [(row["study"], row["rank"], row["similar_study"]) for row in rows[4:]]


def test_a_report_is_readable_in_one_line() -> None:
    """Findings with their places, denials with a no, each once, places alone left out."""
    text = "Consolidation in the right lower lobe. Right lower lobe consolidation. No pneumothorax."

    assert "consolidation, right lower lobe; no pneumothorax, pleura" == readable(entities_of(parse(text)))


def test_the_distribution_leaves_out_the_diagonal() -> None:
    """Counts of all pairs of different studies, however the rows come in blocks."""
    matrix = np.array([[1, 0.95, 0.2], [0.95, 1, 0.754], [0.2, 0.754, 1]], dtype=np.float32)
    counted = Distribution()
    for row in range(3):
        counted.add(matrix[row : row + 1])

    found = counted.as_dict()

    assert 6 == found["pairs"]
    assert (0.95 + 0.2 + 0.754) / 3 == pytest.approx(found["mean"], abs=1e-5)
    assert [2, 2, 2] == [found["counts"][value] for value in (95, 20, 75)]
    assert pytest.approx((1 / 3, 1 / 3, 0, 1 / 3)) == shares(found)
    assert (0.2, 0.75, 0.95) == tuple(quantile(found, share) for share in (0.1, 0.5, 0.9))


def test_one_study_has_no_pairs() -> None:
    """A node that one report mentions has a 1 x 1 matrix and no mean."""
    counted = Distribution()
    counted.add(np.ones((1, 1), dtype=np.float32))

    assert (0, None) == (counted.as_dict()["pairs"], counted.mean)
