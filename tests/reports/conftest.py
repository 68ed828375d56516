"""Fixtures of the report tests."""

from collections.abc import Callable

import pytest

from radir_node.reports.parser import parse

Statuses = dict[str, set[str]]


@pytest.fixture(scope="session")
def statuses() -> Callable[[str], Statuses]:
    """Parse a text and give finding -> its statuses."""

    def read(text: str) -> Statuses:
        found: Statuses = {}
        for tag in parse(text):
            found.setdefault(tag.finding, set()).add(tag.status.value)
        return found

    return read


@pytest.fixture(scope="session")
def places() -> Callable[[str], set[tuple[str, str]]]:
    """Parse a text and give the (finding, anatomy key) pairs."""
    return lambda text: {(tag.finding, tag.anatomy) for tag in parse(text)}
