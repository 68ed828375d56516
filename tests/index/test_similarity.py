import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radir_node.domain.index_rows import PartitionKey, VectorRow
from radir_node.domain.match import Filters
from radir_node.index.block import block_of, indexed
from radir_node.index.care import check_files, verify
from radir_node.index.similarity import SimilarityIndex
from radir_node.index.snapshot import SnapshotDamaged

Row = Callable[..., VectorRow]
Feed = Any  # tests/index/conftest.py: MemoryFeed


def query(row: VectorRow) -> NDArray[np.float32]:
    return row.vector.astype(np.float32)[None, :]


def exact(feed: Feed, wanted: NDArray[np.float32], k: int) -> list[int]:
    rows = list(feed.rows())
    scores = np.array([float(row.vector.astype(np.float32) @ wanted[0]) for row in rows])
    return [rows[i].study_id for i in np.argsort(-scores, kind="stable")[:k]]


def studies(hits: Any) -> list[int]:
    return [hit.study_id for hit in hits.hits]


def test_the_nearest_studies_are_those_of_exact_search(feed: Feed, key: PartitionKey, tmp_path: Path) -> None:
    """float16 FAISS candidates, re-ranked exactly, equal a full scan."""
    index = SimilarityIndex(feed, tmp_path)
    wanted = query(feed.rows_by_id[7])

    hits = index.search(key, wanted, 10, Filters())

    assert exact(feed, wanted, 10) == studies(hits)
    assert 200 == hits.reference_size == hits.eligible


def test_the_query_study_and_its_patient_are_left_out(
    feed: Feed, key: PartitionKey, make_row: Row, tmp_path: Path
) -> None:
    """Another study of the same patient is no similar case, however alike."""
    feed.put(make_row(500, patient_code=7, vector=feed.rows_by_id[7].vector))
    index = SimilarityIndex(feed, tmp_path)

    hits = index.search(key, query(feed.rows_by_id[7]), 200, Filters(), exclude_patient=7, exclude_study=7)

    assert not {7, 500} & set(studies(hits))
    assert 199 == hits.eligible == len(hits.hits)


def test_one_case_is_shown_for_each_patient(feed: Feed, key: PartitionKey, make_row: Row, tmp_path: Path) -> None:
    """Ten studies of one patient do not fill the answer."""
    for number in range(600, 700):
        feed.put(make_row(number, patient_code=3, vector=feed.rows_by_id[3].vector))
    index = SimilarityIndex(feed, tmp_path)

    hits = index.search(key, query(feed.rows_by_id[3]), 5, Filters())

    assert len(hits.hits) == 5
    assert len({3, *range(600, 700)} & set(studies(hits))) == 1


def test_filters_are_applied_before_ranking(feed: Feed, key: PartitionKey, make_row: Row, tmp_path: Path) -> None:
    """k cases come back although only a few of many pass, and an unknown age or date never passes."""
    day = dt.date(2024, 5, 1)
    for number in range(800, 810):
        feed.put(make_row(number, sex="M", age_years=70.0, study_date=day))
    feed.put(make_row(811, sex="M", age_years=None, study_date=None))
    index = SimilarityIndex(feed, tmp_path)
    filters = Filters(sex="M", age_min=60, age_max=80, date_from=day, date_to=day)

    hits = index.search(key, query(feed.rows_by_id[1]), 20, filters)

    assert set(range(800, 810)) == set(studies(hits))


def test_changes_are_served_without_a_rebuild(feed: Feed, key: PartitionKey, make_row: Row, tmp_path: Path) -> None:
    """A new study is found, a removed one is gone, a re-encoded one has its new vector."""
    index = SimilarityIndex(feed, tmp_path)
    index.rebuild()
    index.sync()
    feed.put(make_row(900))
    feed.drop(5)

    found = studies(index.search(key, query(feed.rows_by_id[900]), 200, Filters()))

    assert found[0] == 900
    assert 5 not in found


def test_the_snapshot_id_changes_exactly_with_the_rows(
    feed: Feed, key: PartitionKey, make_row: Row, tmp_path: Path
) -> None:
    """A rebuild keeps it, a new row changes it: the identity of a repeated report rests on this."""
    index = SimilarityIndex(feed, tmp_path)
    first = index.sync().partitions[key].fingerprint

    index.rebuild()
    rebuilt = index.sync().partitions[key].fingerprint
    feed.put(make_row(901))
    grown = index.sync().partitions[key].fingerprint
    feed.drop(901)
    shrunk = index.sync().partitions[key].fingerprint

    assert first == rebuilt == shrunk
    assert grown != first


@pytest.mark.requirement("RN-03")
def test_a_damaged_snapshot_is_quarantined_and_served_from_the_catalogue(
    feed: Feed, key: PartitionKey, tmp_path: Path
) -> None:
    """One flipped bit in an index file costs nothing but a rebuild."""
    SimilarityIndex(feed, tmp_path).rebuild()
    file = next(tmp_path.rglob("index.faiss"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(SnapshotDamaged, match=r"index\.faiss is missing or has changed"):
        check_files(feed, tmp_path)
    wanted = query(feed.rows_by_id[9])

    hits = SimilarityIndex(feed, tmp_path).search(key, wanted, 10, Filters())

    assert len(feed.quarantined) == 1
    assert exact(feed, wanted, 10) == studies(hits)


def test_verification_sees_what_is_missing_and_what_is_too_much(feed: Feed, make_row: Row, tmp_path: Path) -> None:
    """Identity is checked by ids in both directions, never by counts."""
    index = SimilarityIndex(feed, tmp_path)
    state = index.sync()
    feed.put(make_row(902))
    feed.drop(11)

    found = verify(state, feed, queries=20)

    assert (found.missing, found.orphaned, found.sound) == (1, 1, False)
    assert found.recall["model"].recall_at_10 == 1.0


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 30))
def test_faiss_never_returns_a_row_outside_the_mask(seed: int, rows: int, k: int) -> None:
    """Patient exclusion is a safety property: any mask, any size, any k."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 512)).astype(np.float16)
    key = PartitionKey("m", "*")
    block = indexed(block_of(VectorRow(i, key, i, i, "", None, None, vectors[i]) for i in range(rows)))
    mask = rng.random(rows) < rng.random()

    ordinals = block.nearest(vectors[0].astype(np.float32), mask, k)

    assert mask[ordinals].all()
    assert min(k, int(mask.sum())) <= len(ordinals)
