"""One person to draw: the same anatomy with whatever findings a test asks for."""

import datetime as dt
from collections.abc import Callable

import pytest

from radir_node.domain.phantom import PhantomCase, PhantomFinding
from radir_node.domain.study import Modality

CaseOf = Callable[..., PhantomCase]


@pytest.fixture(scope="session")
def case_of() -> CaseOf:
    """Return a case of one fixed person with the given findings."""

    def build(modality: Modality, *findings: PhantomFinding) -> PhantomCase:
        return PhantomCase(11, 21, 21, modality, "M", dt.date(1961, 5, 4), dt.date(2022, 3, 2), findings)

    return build
