"""The parser against human annotation: far above keywords, and at the bars that the project has set."""

import csv
import hashlib
import json
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from radir_node.cli import app
from radir_node.reports.evaluate import ReportScores, evaluate_reports
from radir_node.reports.evaluation.scores import Measured, Miss, Score, rows
from radir_node.reports.evaluation.split import is_in


@pytest.fixture(scope="module")
def scores(shared_data: Path) -> ReportScores:
    """The parser on the half that was kept for testing."""
    return evaluate_reports(shared_data)


def test_scores_follow_their_definitions() -> None:
    """Precision, recall and F1 of 6 hits, 2 false alarms and 4 misses; a label that never occurs is not averaged."""
    score = Score(6, 2, 4)
    measured = Measured(10, {"a": score, "b": Score(1, 0, 0), "c": Score(0, 0, 0)}, (Miss("1", ("a",), "", ""),) * 2)

    assert (score.precision, score.recall, round(score.f1, 4)) == (0.75, 0.6, 0.6667)
    assert Score(0, 0, 0).f1 == 0.0
    assert round((2 / 3 + 1) / 2, 4) == round(measured.macro_f1, 4)
    assert Score(7, 2, 4) == measured.micro
    assert measured.accuracy == 0.9


def test_the_halves_are_those_of_the_hash(shared_data: Path) -> None:
    """The listed fingerprints are the items with an even first byte of SHA-256, in each collection."""
    for collection, file, column, mark in (
        ("openi", "openi/openi_reports.csv", "uid", ","),
        ("ct_rate", "text/ct_rate_reports_18labels.csv", "AccessionNo", ","),
        ("negex", "text/negex_annotations.tsv", "line number", "\t"),
    ):
        items = [row[column] for row in rows(shared_data / file, mark)]

        even = [item for item in items if hashlib.sha256(item.encode()).digest()[0] % 2 == 0]

        assert even == [item for item in items if is_in("dev", collection, item)]
        assert len(items) == len(even) + sum(is_in("test", collection, item) for item in items)


def test_other_items_are_all_test() -> None:
    """A copy of the data with items that no one has seen has no development part."""
    assert [False, True, True] == [is_in(split, "openi", "never-seen") for split in ("dev", "test", "all")]


def test_held_out_reports_are_read_as_people_coded_them(scores: ReportScores) -> None:
    """Sites, sides, findings, CT labels and negation reach their bars on reports that no rule was written on."""
    found = scores.as_dict()

    assert found["anatomy"]["site"]["f1"] >= 0.92
    assert found["anatomy"]["site_side"]["f1"] >= 0.89
    assert found["findings14"]["micro"]["f1"] >= 0.87
    assert found["ct18"]["macro"]["f1"] >= 0.85
    assert found["negex"]["accuracy"] >= 0.95
    assert [1558, 1558, 1549, 264, 577] == [
        found[part][name]["n"] if name else found[part]["n"]
        for part, name in (
            ("anatomy", "site"),
            ("anatomy", "site_side"),
            ("findings14", ""),
            ("ct18", ""),
            ("negex", ""),
        )
    ]


def test_keywords_are_not_enough(scores: ReportScores) -> None:
    """Without reading the context, findings reach at most half of the figure and sites lose a fifth."""
    measured = scores.measured

    assert measured["findings14.keyword"].micro.f1 < measured["findings14"].micro.f1 / 2
    assert measured["anatomy.site.keyword"].micro.f1 < measured["anatomy.site"].micro.f1 - 0.2


def test_the_verb_runs_on_any_folder_of_that_layout(shared_data: Path, tmp_path: Path) -> None:
    """A copy with a few reports: figures as JSON, disagreements as tables."""
    for file in ("openi/openi_reports.csv", "openi/openi_gld_std14.csv", "openi/openi_mesh_gold.csv"):
        copy_head(shared_data / file, tmp_path / "data" / file, 200)
    for file in ("text/ct_rate_reports_18labels.csv", "text/negex_annotations.tsv"):
        copy_head(shared_data / file, tmp_path / "data" / file, 40)

    done = CliRunner().invoke(
        app,
        ["eval", "reports", "--data", str(tmp_path / "data"), "--split", "all", "--json", "--errors", str(tmp_path)],
    )

    found = json.loads(done.stdout)
    assert 0.5 < found["anatomy"]["site"]["f1"] <= 1
    assert (40, 40) == (found["ct18"]["macro"]["n"], found["negex"]["n"])
    assert {"anatomy.site.csv", "anatomy.site_side.csv", "findings14.csv", "ct18.csv", "negex.csv"} == {
        file.name for file in tmp_path.glob("*.csv")
    }


def copy_head(file: Path, target: Path, count: int) -> None:
    """Copy the head line and the first rows of a table."""
    target.parent.mkdir(parents=True, exist_ok=True)
    mark = "\t" if file.suffix == ".tsv" else ","
    table = list(islice(rows(file, mark), count))
    with target.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(table[0]), delimiter=mark)
        writer.writeheader()
        writer.writerows(table)
