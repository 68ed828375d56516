"""How scores and anatomies are put before people."""

from dataclasses import replace

import pytest

from radir_node.domain.embedding import GLOBAL
from radir_node.web.choice import Choice, query_of, read_choice
from radir_node.web.ports import AnatomyChoice, MatchScale
from radir_node.web.ranking import MOST_CHIPS, chips_for, findings_of, strength


@pytest.mark.parametrize(
    ("score", "word"), [(0.91, "strong"), (0.75, "strong"), (0.6, "moderate"), (0.31, "weak"), (-0.2, "not close")]
)
def test_a_score_has_a_word(score: float, word: str) -> None:
    """The limits belong to the better word."""
    assert strength(score, MatchScale(0.3, 0.5, 0.75)).word == word


def test_shared_findings_come_first_and_once() -> None:
    """Order is kept otherwise."""
    labels = [(f.label, f.shared) for f in findings_of(("nodule", "mass", "nodule", "cyst"), ("cyst",))]

    assert labels == [("cyst", True), ("nodule", False), ("mass", False)]


def test_many_anatomies_leave_the_reports_own_as_chips(node) -> None:
    """With a long list the chips are: overall, those of the report, and the chosen one."""
    many = tuple(AnatomyChoice(f"site{i}", f"site {i}", in_report=i == 7) for i in range(MOST_CHIPS + 1))
    card = replace(node.cards[0], anatomies=many)

    assert [chip.key for chip in chips_for(card, "site2")] == [GLOBAL, "site2", "site7"]
    assert len(chips_for(node.cards[0], GLOBAL)) == 8


def test_a_link_says_what_was_chosen_and_reads_back() -> None:
    """Choice -> query string -> Choice, with "overall" for the global partition."""
    choice = Choice(k=7, anatomy="lower_lobe:right", sex="F", age_within=10, year_from=2019, same_patient=True)
    parameters = dict(pair.split("=") for pair in choice.link().removeprefix("?").replace("%3A", ":").split("&"))

    assert read_choice(parameters, usual_k=5) == choice
    assert Choice(k=5).link() == "?anatomy=overall&k=5"


def test_the_default_number_of_cases_is_the_sites() -> None:
    """A visitor who names no number gets the configured one."""
    assert read_choice({}, usual_k=8) == Choice(k=8)


def test_a_choice_becomes_the_query(node) -> None:
    """Ages are relative to the study's own; years cover whole calendar years."""
    card = replace(node.cards[0], age_years=60.0)

    query = query_of(card, Choice(k=3, age_within=10, year_from=2019, year_to=2020))

    assert (query.filters.age_min, query.filters.age_max) == (50.0, 70.0)
    assert str(query.filters.date_from) == "2019-01-01"
    assert str(query.filters.date_to) == "2020-12-31"
    assert not query.filters.include_same_patient
