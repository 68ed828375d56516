"""What a ranked answer shows of the people in it."""

import pytest

from radir_node.domain.match import shown_age


@pytest.mark.parametrize(
    ("years", "text"),
    [(None, ""), (0.6, "0"), (67.0, "67"), (67.99, "67"), (89.0, "89"), (89.99, "89"), (90.0, "90+"), (104.2, "90+")],
)
def test_an_age_is_completed_years_and_above_89_only_90_plus(years: float | None, text: str) -> None:
    """Rounding would show somebody older than they are; an age above 89 is identifying."""
    assert text == shown_age(years)
