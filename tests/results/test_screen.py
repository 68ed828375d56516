"""The answer on a terminal."""

import io

from rich.console import Console

from radir_node.domain.match import Match, Query, SimilarCases
from radir_node.domain.study import Modality
from radir_node.results.screen import show


def test_the_terminal_shows_ages_as_the_pages_do() -> None:
    """Completed years, "90+" above 89, nothing when unknown."""
    written = io.StringIO()
    ages = (67.9, 93.4, None)
    matches = tuple(
        Match(rank, 0.9, f"2.25.{rank}", f"RADIR-{rank}", Modality.CXR, None, age, "F")
        for rank, age in enumerate(ages, start=1)
    )
    answer = SimilarCases(Query("2.25.9"), Modality.CXR, "*", "overall", "model", "snapshot", 3, 3, matches)

    show(Console(file=written, width=120), answer)

    facts = [line.split("RADIR-")[1].split("  ")[1] for line in written.getvalue().splitlines() if "RADIR-" in line]
    assert ["67 y, F", "90+ y, F", "F"] == facts
