"""Chest CT by example: sentences written for this test, and every tag that a reader draws from them."""

from pathlib import Path

import pytest
import yaml

from radir_node.reports.parser import parse

CASES = yaml.safe_load((Path(__file__).parent / "ct_sentences.yaml").read_text(encoding="utf-8"))


def test_there_are_enough_sentences() -> None:
    """At least 150, none twice."""
    texts = {case["text"] for case in CASES}

    assert len(CASES) == len(texts) >= 150


@pytest.mark.parametrize("case", CASES, ids=[case["text"][:60] for case in CASES])
def test_a_sentence_yields_its_tags_and_no_other(case: dict[str, list[str] | str]) -> None:
    """Finding, place, status and change, as a set."""
    expected = sorted(case["tags"])

    found = sorted({" ".join((t.finding, t.anatomy, t.status, t.change)).strip() for t in parse(str(case["text"]))})

    assert expected == found
