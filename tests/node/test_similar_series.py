"""The virtual series over a real catalogue and index: named for many studies at once, and kept once made."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from radir_node.domain.embedding import GLOBAL, Encoded
from radir_node.domain.indexing import Outcome
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader, Modality, StudyState
from radir_node.node.node import Node
from radir_node.node.similar_series import SimilarSeries
from radir_node.settings import Settings

Index = Callable[[int], None]


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[Node]:
    """A node over a catalogue of this test alone, with the models of the checkout."""
    settings = Settings.model_validate(
        {
            "database": {"url": database_url},
            "storage": {"root": tmp_path / "root"},
            "dicom": {"quiet_seconds_radiograph": 0, "quiet_seconds_ct": 0},
        }
    )
    with Node(settings) as opened:
        yield opened


@pytest.fixture
def index(node: Node) -> Index:
    """Index the radiograph number n, counted from 1, as study 1.<n>."""
    model = node.models[Modality.CXR]

    def add(number: int) -> None:
        uid = f"1.{number}"
        header = InstanceHeader(
            f"{uid}.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.1.2.1", uid, f"{uid}.1",
            modality="DX", patient_id=uid, patient_name="DOE^JANE",
        )  # fmt: skip
        node.intake.register(StoredInstance(header, f"{uid}.dcm", 1, uid, "AE", dt.datetime.now(dt.UTC)))
        node.completion.settle(number)
        work = node.studies.start(number)
        assert work is not None
        vector = np.eye(512, dtype=np.float32)[number]
        encoded = Encoded(header.sop_instance_uid, dict.fromkeys((GLOBAL, *model.anatomies), vector))
        outcome = Outcome(StudyState.INDEXED, "", Modality.CXR, model, (encoded,), ())
        assert node.studies.finish(work, outcome)

    return add


def test_many_series_cost_as_many_statements_as_one(node: Node, index: Index) -> None:
    """The series of six studies are named with no more statements than that of one, and those not indexed left out."""
    for number in range(1, 7):
        index(number)
    series = SimilarSeries.of(node)
    uids = [f"1.{number}" for number in range(1, 7)]
    series.series_of_many(uids)  # the index is built once
    statements: list[str] = []
    sa.event.listen(
        node.database.engine, "before_cursor_execute", lambda *arguments: statements.append(str(arguments[2]))
    )

    one = series.series_of_many(["1.1"])
    for_one = len(statements)
    many = series.series_of_many([*uids, "9.9"])

    assert for_one == len(statements) - for_one
    assert (set(uids), one["1.1"]) == (set(many), many["1.1"])


def test_the_name_is_that_of_the_report(node: Node, index: Index) -> None:
    """What the series is said to hold is what is made when it is retrieved."""
    index(1)
    index(2)
    series = SimilarSeries.of(node)

    named = series.series_of_many(["1.1"])["1.1"].sop_instance_uid

    assert series.render("1.1").name.startswith(f"{named}.")


def test_a_report_outlives_the_index_that_it_was_made_from(node: Node, index: Index) -> None:
    """One more indexed study makes another report; the earlier one is still there under its own name."""
    index(1)
    index(2)
    series = SimilarSeries.of(node)
    path = series.render("1.1")
    before = series.series_of_many(["1.1"])["1.1"]

    index(3)
    after = series.series_of_many(["1.1"])["1.1"]
    kept = series.issued(before.sop_instance_uid)

    assert kept is not None
    assert (path, "1.1", before.series_instance_uid, before.sop_instance_uid) == (
        kept.path,
        kept.study_instance_uid,
        kept.series_instance_uid,
        kept.sop_instance_uid,
    )
    assert after.sop_instance_uid != before.sop_instance_uid
    assert series.issued(after.sop_instance_uid) is None
