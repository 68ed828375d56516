"""Orders CT slices in patient space and says what the stack is like: spacing, missing slices, tilt. Pure geometry.

Called by the choice of a series and by ct. Patient axes are those of DICOM: x to the left, y to the back, z to the head
(PS3.3 C.7.6.2.1.1). Instance numbers and Slice Thickness play no part.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dicom_services.objects.ct_slices import CtSlice
from radir_node.errors import NotIndexable

FEWEST_SLICES = 8
SMALLEST_COVERAGE_MM = 60.0
AXIAL_COSINE = 0.8
"""Cosine of slice normal and body axis from which a stack is axial: within 37 degrees, any gantry tilts less."""
SAME_PLACE_MM = 0.05
LARGEST_GAP_MM = 25.0
"""A longer gap is not bridged by interpolation: the stack is cut there and its longest part is used."""
TILT_DEGREES = 1.0
"""From this angle between the stack's own axes and the patient's, the volume is resampled to the patient's."""
IRREGULAR = 0.25
"""Share of a step by which a slice may lie beside its place in the uniform grid without a note."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StackGeometry:
    """A uniform grid of slices from the feet up.

    slices[i] belongs to place places[i] of the count grid places. axes [3, 3]: columns are the patient-space steps (mm)
    of one slice, one row, one column.
    """

    slices: tuple[CtSlice, ...]
    places: tuple[int, ...]
    count: int
    axes: Array
    duplicates: tuple[CtSlice, ...]
    beyond_gap: tuple[CtSlice, ...]
    notes: tuple[str, ...]

    @property
    def origin(self) -> Array:
        return np.asarray(self.slices[0].position)

    @property
    def step_mm(self) -> float:
        return float(np.linalg.norm(self.axes[:, 0]))

    @property
    def coverage_mm(self) -> float:
        return self.step_mm * (self.count - 1)

    @property
    def missing(self) -> int:
        return self.count - len(self.slices)

    @property
    def off_axis_degrees(self) -> float:
        """Return the largest angle between one of the stack's axes and the patient axis next to it."""
        directions = self.axes / np.linalg.norm(self.axes, axis=0)
        return math.degrees(math.acos(min(1.0, float(np.abs(directions).max(axis=0).min()))))


def stack_geometry(slices: Sequence[CtSlice]) -> StackGeometry:
    """Sort slices of one orientation and size along their normal and fit the uniform grid they lie on.

    Raise NotIndexable when they are not axial, too few, or cover too little.
    """
    first = slices[0]
    normal = np.cross(first.row_direction, first.column_direction)
    if abs(normal[2]) < AXIAL_COSINE:
        raise NotIndexable("not an axial series")
    upward = normal * np.sign(normal[2])
    ordered = sorted(slices, key=lambda item: (float(upward @ item.position), item.number, item.sop_instance_uid))
    kept, duplicates = _without_duplicates(ordered, upward)
    run, beyond = _longest_run(kept, upward)
    heights = np.array([upward @ item.position for item in run])
    if len(run) < FEWEST_SLICES:
        raise NotIndexable(f"only {len(run)} of at least {FEWEST_SLICES} slices")
    gaps = np.diff(heights)
    usual = float(np.median(gaps))
    count = round(float(heights[-1] - heights[0]) / usual) + 1
    step = float(heights[-1] - heights[0]) / (count - 1)
    heights = (heights - heights[0]) / step
    irregular = float(np.abs(heights - np.rint(heights)).max()) > IRREGULAR
    places, run, shared = _placed(run, heights)
    between = (np.asarray(run[-1].position) - np.asarray(run[0].position)) / (count - 1)
    axes = np.column_stack(
        [
            between,
            np.asarray(first.column_direction) * first.pixel_spacing[0],
            np.asarray(first.row_direction) * first.pixel_spacing[1],
        ]
    )
    duplicates += shared
    notes = _notes(count - len(run), len(duplicates), len(beyond), irregular=irregular)
    found = StackGeometry(tuple(run), places, count, axes, tuple(duplicates), tuple(beyond), notes)
    if found.coverage_mm < SMALLEST_COVERAGE_MM:
        raise NotIndexable(f"covers {found.coverage_mm:.0f} mm, less than {SMALLEST_COVERAGE_MM:.0f} mm")
    return found


def _without_duplicates(ordered: Sequence[CtSlice], upward: Array) -> tuple[list[CtSlice], list[CtSlice]]:
    kept: list[CtSlice] = []
    dropped: list[CtSlice] = []
    for item in ordered:
        same = kept and float(upward @ item.position) - float(upward @ kept[-1].position) < SAME_PLACE_MM
        (dropped if same else kept).append(item)
    return kept, dropped


def _longest_run(kept: Sequence[CtSlice], upward: Array) -> tuple[list[CtSlice], list[CtSlice]]:
    """Cut the stack at every gap that is too long to bridge, and return the part that covers most, and the rest."""
    heights = np.array([upward @ item.position for item in kept])
    cuts = [0, *(int(place) + 1 for place in np.flatnonzero(np.diff(heights) > LARGEST_GAP_MM)), len(kept)]
    runs = [(first, last) for first, last in pairwise(cuts) if last > first]
    first, last = max(runs, key=lambda run: float(heights[run[1] - 1] - heights[run[0]]))
    return list(kept[first:last]), [*kept[:first], *kept[last:]]


def _placed(run: list[CtSlice], heights: Array) -> tuple[tuple[int, ...], list[CtSlice], list[CtSlice]]:
    """Give each slice its nearest grid place; of two at one place the nearer is kept."""
    best: dict[int, int] = {}
    for index, height in enumerate(heights):
        place = round(float(height))
        held = best.get(place)
        if held is None or abs(height - place) < abs(heights[held] - place):
            best[place] = index
    chosen = [best[place] for place in sorted(best)]
    rest = sorted(set(range(len(run))) - set(chosen))
    return tuple(sorted(best)), [run[index] for index in chosen], [run[index] for index in rest]


def _notes(missing: int, duplicates: int, beyond: int, *, irregular: bool) -> tuple[str, ...]:
    said = {
        f"{missing} missing slices interpolated": missing,
        f"{duplicates} slices at a place already taken were left out": duplicates,
        f"{beyond} slices beyond a gap of more than {LARGEST_GAP_MM:.0f} mm were left out": beyond,
        "slices are irregularly spaced": irregular,
    }
    return tuple(note for note, holds in said.items() if holds)
