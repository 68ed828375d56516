"""Ranks the CT stacks of a study: which one stands for the study in the index. Called by the preparation of a study.

The rule, first difference decides:
1. coverage: at least 80 % of the longest stack (a lung is not cut for thin slices);
2. acquired slices before reformatted ones;
3. slice distance in classes (up to 1.5, 3, 5 mm, more): thin before thick;
4. kernel: soft, then unknown, then sharp. The densitometric measures need true Hounsfield values, which lung and bone
   kernels overshoot at every edge; within one distance class noise costs less than overshoot;
5. fewer missing slices, then the smaller distance, then the Series Instance UID so that the choice is repeatable.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from dicom_services.objects.ct_geometry import StackGeometry
from dicom_services.objects.ct_slices import CtSlice

LONG_ENOUGH = 0.8
DISTANCE_CLASSES_MM = (1.5, 3.0, 5.0)
SOFTEST_SHARP = 50
"""Kernel number of Siemens (B31f, Br36, Bl57, I70f) from which it is sharp."""
SOFTEST_SHARP_CANON = 30
"""The same for Canon (FC13, FC52)."""

_SHARP = re.compile(r"\b(LUNG|BONE\w*|EDGE|DETAIL|ULTRA|SHARP|HRC|Y[A-E]|D|E|L)\b")
_SOFT = re.compile(r"\b(SOFT\w*|STANDARD|STND|CHST|SMOOTH|BODY|A|B|C)\b")
_NUMBERED = re.compile(r"\b([A-Z][A-Z]?)(\d{2})[A-Z]?(?:_\d)?\b")


class Kernel(IntEnum):
    SOFT = 0
    UNKNOWN = 1
    SHARP = 2


@dataclass(frozen=True, slots=True)
class CtStack:
    """Slices of one series that lie on one grid."""

    series_instance_uid: str
    geometry: StackGeometry


def grouped(slices: Iterable[CtSlice]) -> list[list[CtSlice]]:
    """Split the slices of one series by stack, orientation, matrix and pixel spacing: each group may be a volume."""
    groups: dict[tuple[object, ...], list[CtSlice]] = {}
    for item in slices:
        directions = tuple(round(part, 2) + 0.0 for part in (*item.row_direction, *item.column_direction))
        spacing = tuple(round(part, 3) for part in item.pixel_spacing)
        groups.setdefault((item.stack, directions, spacing, item.rows, item.columns), []).append(item)
    return list(groups.values())


def ranked(stacks: Sequence[CtStack]) -> list[CtStack]:
    """Return the stacks, the best first."""
    longest = max((stack.geometry.coverage_mm for stack in stacks), default=0.0)
    return sorted(stacks, key=lambda stack: _rank(stack, longest))


def kernel_of(name: str) -> Kernel:
    """Class a Convolution Kernel (0018,1210) of any vendor."""
    spelled = name.upper().replace("\\", " ").strip()
    numbered = _NUMBERED.search(spelled)
    if numbered:
        limit = SOFTEST_SHARP_CANON if numbered[1] == "FC" else SOFTEST_SHARP
        return Kernel.SHARP if int(numbered[2]) >= limit else Kernel.SOFT
    if _SHARP.search(spelled):
        return Kernel.SHARP
    return Kernel.SOFT if _SOFT.search(spelled) else Kernel.UNKNOWN


def _rank(stack: CtStack, longest: float) -> tuple[object, ...]:
    geometry = stack.geometry
    distance = geometry.step_mm
    return (
        geometry.coverage_mm < LONG_ENOUGH * longest,
        geometry.slices[0].reformatted,
        sum(distance > limit + 0.01 for limit in DISTANCE_CLASSES_MM),
        kernel_of(geometry.slices[0].kernel),
        geometry.missing,
        round(distance, 2),
        stack.series_instance_uid,
    )
