"""Finds the part of a radiograph that holds the patient: collimator, shutter, padding and dark borders cut away.

Called by radiograph on density values. A cut that would leave too little is disbelieved: headers give edges of other
coordinate systems, and a picture is worth more than its header.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_services.objects.attributes import numbers, words
from dicom_services.objects.views import SMALLEST_SIDE

SMALLEST_KEPT = 0.2
"""Share of the picture that must remain."""
DARK = 0.02
"""A border row or column whose 99th percentile is at most this bright holds nothing.
White ones stay, they may be a dense abdomen."""

_EDGES = ("UpperHorizontalEdge", "LowerHorizontalEdge", "LeftVerticalEdge", "RightVerticalEdge")

Box = tuple[int, int, int, int]
"""top, bottom, left, right; the second and fourth are past the end."""


def patient_box(
    dataset: Dataset, pixels: NDArray[np.float32], padding: NDArray[np.bool_] | None, notes: list[str]
) -> Box:
    """Return the box to keep, and note what was cut or could not be."""
    rows, columns = pixels.shape
    whole = (0, rows, 0, columns)
    box = whole
    for name, found in (
        ("collimator", _rectangle(dataset, "Collimator")),
        ("shutter", _rectangle(dataset, "Shutter")),
        ("padding", _filled(padding)),
        ("dark border", _not_dark(pixels)),
    ):
        inside = _intersection(box, found or whole)
        if _is_enough(inside, rows * columns):
            box = inside
        else:
            notes.append(f"the {name} would leave too little and was not cut")
    if box != whole:
        notes.append(f"cut from {rows} x {columns} to {box[1] - box[0]} x {box[3] - box[2]} pixels")
    return box


def _rectangle(dataset: Dataset, name: str) -> Box | None:
    """Read the edges of a rectangular collimator or shutter, counted from 1 (PS3.3 C.8.7.3.1.3, C.7.6.11)."""
    if "RECTANGULAR" not in words(dataset, f"{name}Shape"):
        return None
    edges = [numbers(dataset, f"{name}{edge}") for edge in _EDGES]
    if not all(edges):
        return None
    upper, lower, left, right = (round(edge[0]) for edge in edges)
    return upper - 1, lower, left - 1, right


def _filled(padding: NDArray[np.bool_] | None) -> Box | None:
    return (
        None if padding is None else _extent(np.flatnonzero(~padding.all(axis=1)), np.flatnonzero(~padding.all(axis=0)))
    )


def _not_dark(pixels: NDArray[np.float32]) -> Box | None:
    rows, columns = (np.percentile(pixels, 99, axis=axis) > DARK for axis in (1, 0))
    return _extent(np.flatnonzero(rows), np.flatnonzero(columns))


def _extent(rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Box | None:
    """Return the box from the first to the last of the given rows and columns."""
    if not rows.size or not columns.size:
        return None
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _intersection(one: Box, other: Box) -> Box:
    return max(one[0], other[0]), min(one[1], other[1]), max(one[2], other[2]), min(one[3], other[3])


def _is_enough(box: Box, area: int) -> bool:
    height, width = box[1] - box[0], box[3] - box[2]
    return min(height, width) >= SMALLEST_SIDE and height * width >= SMALLEST_KEPT * area
