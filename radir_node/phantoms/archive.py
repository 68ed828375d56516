"""The generated archive: which cases it holds, and how one case becomes pictures and a report.

Called by the demonstration and by tests; dicom_services.phantom_archive writes what `render` returns.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding, PhantomStudy
from radir_node.domain.study import Modality
from radir_node.phantoms import chest_ct, chest_radiograph, report

_FIRST_DAY = dt.date(2021, 1, 4)
_DAYS = 1100
_VISIT_EVERY = 8
"""Every eighth study is a second visit of an earlier patient."""

Recipe = tuple[tuple[FindingKind, str], ...]
"""Findings of a case: kind and site; the side is drawn where the site has one."""

_K = FindingKind
_SHARED: tuple[Recipe, ...] = (
    (),
    ((_K.EFFUSION, "pleura"),),
    ((_K.CONSOLIDATION, "lower_lobe"),),
    ((_K.NODULE, "upper_lobe"),),
    ((_K.CARDIOMEGALY, "heart"), (_K.EFFUSION, "pleura:bilateral")),
    ((_K.PNEUMOTHORAX, "pleura"),),
    ((_K.CONSOLIDATION, "upper_lobe"),),
    ((_K.CARDIOMEGALY, "heart"),),
    ((_K.EMPHYSEMA, "upper_lobe:bilateral"),),
    ((_K.CONSOLIDATION, "lower_lobe"), (_K.EFFUSION, "pleura")),
)
_CXR: tuple[Recipe, ...] = (
    *_SHARED,
    (),
    ((_K.PACEMAKER, "chest_wall:left"), (_K.CARDIOMEGALY, "heart")),
    ((_K.TRACHEAL_TUBE, "trachea"), (_K.CENTRAL_LINE, "svc"), (_K.GROUND_GLASS, "mid_zone:bilateral")),
    ((_K.CONSOLIDATION, "middle_lobe:right"),),
    ((_K.NODULE, "lower_lobe"),),
)
_CT: tuple[Recipe, ...] = (
    *_SHARED,
    ((_K.GROUND_GLASS, "lower_lobe:bilateral"),),
    ((_K.EMPHYSEMA, "upper_lobe:bilateral"), (_K.NODULE, "upper_lobe")),
)


@dataclass(frozen=True, slots=True)
class _Person:
    patient: int
    sex: str
    birth_date: dt.date
    last_visit: dt.date
    recipe: Recipe
    side: str


def cases(n_cxr: int, n_ct: int, seed: int) -> Iterator[PhantomCase]:
    """Yield n_cxr radiographs, then n_ct CTs: findings in equal parts, so that every finding has its like.

    The same arguments give the same cases; a patient has studies of one modality only.
    """
    number = 0
    for modality, count, recipes in ((Modality.CXR, n_cxr, _CXR), (Modality.CT, n_ct, _CT)):
        rng = np.random.default_rng([seed, len(recipes)])
        known: list[_Person] = []
        for index in range(count):
            number += 1
            person = _next_person(known, number, recipes[(index - index // _VISIT_EVERY) % len(recipes)], index, rng)
            known.append(person)
            findings = _findings(person, rng)
            yield PhantomCase(
                seed, number, person.patient, modality, person.sex, person.birth_date, person.last_visit, findings
            )


def render(case: PhantomCase) -> PhantomStudy:
    """Return the drawn study of a case: 0.1 s for a radiograph, about 1 s for a CT."""
    if case.modality is Modality.CXR:
        film, (row_mm, column_mm) = chest_radiograph.draw(case)
        return PhantomStudy(case, film, (1.0, row_mm, column_mm), report.write(case))
    volume, spacing = chest_ct.draw(case)
    return PhantomStudy(case, volume, spacing, report.write(case))


def _next_person(
    known: Sequence[_Person], number: int, recipe: Recipe, index: int, rng: np.random.Generator
) -> _Person:
    """Return a new patient, or in every eighth study an earlier one some weeks on with the same illness."""
    if known and index % _VISIT_EVERY == _VISIT_EVERY - 1:
        before = known[index * 5 // 8]
        later = before.last_visit + dt.timedelta(days=int(rng.integers(14, 120)))
        return _Person(before.patient, before.sex, before.birth_date, later, before.recipe, before.side)
    visit = _FIRST_DAY + dt.timedelta(days=int(rng.integers(_DAYS)))
    age_days = int(rng.uniform(24, 86) * 365.25)
    sex, side = "MF"[int(rng.integers(2))], ("left", "right")[int(rng.integers(2))]
    return _Person(number, sex, visit - dt.timedelta(days=age_days), visit, recipe, side)


def _findings(person: _Person, rng: np.random.Generator) -> tuple[PhantomFinding, ...]:
    """Return the recipe's findings as large as they are today, one-sided ones on the person's side."""
    severities = rng.uniform(0.25, 1.0, len(person.recipe))
    return tuple(
        PhantomFinding(kind, _with_side(site, person.side), round(float(severity), 2))
        for (kind, site), severity in zip(person.recipe, severities, strict=True)
    )


def _with_side(site: str, side: str) -> str:
    return site if ":" in site or site in ("heart", "trachea", "svc") else f"{site}:{side}"
