"""The list of generated cases: balanced, repeatable, with second visits, and never dated ahead."""

import dataclasses
import datetime as dt
from collections import Counter

import numpy as np
import pytest

from radir_node.domain import anatomy
from radir_node.domain.phantom import FindingKind, PhantomFinding
from radir_node.domain.study import Modality
from radir_node.phantoms.archive import cases, render


def test_equal_arguments_give_equal_cases() -> None:
    """The archive is a function of its counts and its seed."""
    first, second, other = list(cases(20, 8, 5)), list(cases(20, 8, 5)), list(cases(20, 8, 6))

    assert second == first
    assert other != first


def test_counts_and_numbers_are_as_asked() -> None:
    """So many radiographs, then so many CTs, numbered from one."""
    listed = list(cases(9, 4, 1))

    assert [Modality.CXR] * 9 + [Modality.CT] * 4 == [case.modality for case in listed]
    assert list(range(1, 14)) == [case.number for case in listed]


def test_every_recipe_returns_in_a_large_archive() -> None:
    """Every finding has at least two patients, so that there is a similar case to find."""
    patients: dict[tuple[Modality, FindingKind], set[int]] = {}
    for case in cases(40, 28, 3):
        for finding in case.findings:
            patients.setdefault((case.modality, finding.kind), set()).add(case.patient)

    assert all(len(found) >= 2 for found in patients.values())
    assert set(FindingKind) == {kind for _, kind in patients}


def test_a_few_patients_come_back_later_with_the_same_illness() -> None:
    """A second visit has a later date, the same person and the same places."""
    listed = list(cases(24, 16, 3))
    visits = Counter(case.patient for case in listed)
    returning = [[case for case in listed if case.patient == patient] for patient, n in visits.items() if n > 1]

    assert len(returning) == 5
    for first, second in returning:
        assert second.study_date > first.study_date
        assert (first.sex, first.birth_date, first.modality) == (second.sex, second.birth_date, second.modality)
        assert [f.anatomy for f in first.findings] == [f.anatomy for f in second.findings]


def test_no_study_is_dated_in_the_future_and_everybody_is_adult() -> None:
    """Dates end before the year in which the archive was conceived."""
    for case in cases(60, 30, 9):
        assert case.study_date < dt.date(2025, 1, 1)
        assert 18 <= case.age_years < 90


def test_every_place_is_an_anatomy_key() -> None:
    """Findings are placed in the words of the anatomy vocabulary."""
    for case in cases(30, 20, 2):
        for finding in case.findings:
            assert anatomy.label(finding.anatomy)


@pytest.mark.parametrize("severity", [0.0, 1.5, -1.0])
def test_a_severity_outside_its_range_is_refused(severity: float) -> None:
    """Severity is more than 0 and at most 1."""
    with pytest.raises(ValueError, match="severity"):
        PhantomFinding(FindingKind.NODULE, "upper_lobe:left", severity)


def test_drawing_a_case_twice_gives_the_same_pixels() -> None:
    """Pixels depend on the case alone; another number of the same patient is another exposure."""
    case = next(cases(1, 0, 4))

    first, second = render(case), render(case)
    visit = render(dataclasses.replace(case, number=2))

    assert np.array_equal(second.images, first.images)
    assert first.report == second.report
    assert not np.array_equal(visit.images, first.images)
