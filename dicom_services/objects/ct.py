"""Assembles the volume of one CT stack in Hounsfield units, patient-oriented. Called by the preparation of a study."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from dicom_services.objects.ct_geometry import TILT_DEGREES, StackGeometry
from dicom_services.objects.ct_series import CtStack
from dicom_services.objects.ct_slices import CtSlice
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.pixels import DecodeLimits, check_expansion, iter_frames
from radir_node.domain.study import CtVolume
from radir_node.errors import NotIndexable

AIR_HU = -1024
"""Value of padding and of everything outside the scan."""
MOST_UNREADABLE = 0.25
"""Share of slices that may fail to decode, and be interpolated, before the series is given up."""

Volume = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class AssembledCt:
    """The volume, and SOP Instance UID -> reason for each slice that could not be decoded."""

    volume: CtVolume
    unreadable: dict[str, str]


def read_volume(stack: CtStack, limits: DecodeLimits | None = None) -> AssembledCt:
    """Decode a stack slice by slice into one oriented volume with the stack's true spacing.

    Missing and unreadable slices are interpolated linearly, a tilted stack is resampled to the patient's axes. Raise
    NotIndexable when it passes the limits or too many slices cannot be decoded.
    """
    geometry, limits = stack.geometry, limits or DecodeLimits()
    rows, columns = geometry.slices[0].rows, geometry.slices[0].columns
    if geometry.count * rows * columns * np.dtype(np.int16).itemsize > limits.max_bytes:
        raise NotIndexable(f"the volume would take more than {limits.max_bytes >> 20} MiB")
    hu: Volume = np.empty((geometry.count, rows, columns), np.int16)
    filled = np.zeros(geometry.count, dtype=bool)
    unreadable = _fill(geometry, hu, filled, limits)
    lost = geometry.count - geometry.missing - int(filled.sum())
    if lost > MOST_UNREADABLE * len(geometry.slices):
        raise NotIndexable(
            f"{lost} of {len(geometry.slices)} slices: {next(iter(unreadable.values()), 'frames are missing')}"
        )
    notes = [*geometry.notes, *([f"{lost} unreadable slices interpolated"] if lost else [])]
    hu = _interpolated(hu, filled)
    if geometry.off_axis_degrees > TILT_DEGREES:
        notes.append(f"tilt of {geometry.off_axis_degrees:.1f} degrees corrected by resampling to the patient's axes")
        hu, spacing = _untilted(hu, geometry, int(np.flatnonzero(filled)[0]))
    else:
        hu, spacing = _oriented(hu, geometry)
    return AssembledCt(CtVolume(stack.series_instance_uid, hu, spacing, tuple(notes)), unreadable)


def _fill(geometry: StackGeometry, hu: Volume, filled: NDArray[np.bool_], limits: DecodeLimits) -> dict[str, str]:
    unreadable: dict[str, str] = {}
    for path, wanted in _by_file(geometry).items():
        try:
            for place, item, stored in _decoded(path, wanted, limits):
                hu[place] = hounsfield(stored, item)
                filled[place] = True
        except NotIndexable as error:
            unreadable[next(iter(wanted.values()))[1].sop_instance_uid] = str(error)
    return unreadable


def _by_file(geometry: StackGeometry) -> dict[Path, dict[int, tuple[int, CtSlice]]]:
    """Return file -> frame number -> (grid place, slice), so that a multi-frame file is opened once."""
    files: dict[Path, dict[int, tuple[int, CtSlice]]] = {}
    for place, item in zip(geometry.places, geometry.slices, strict=True):
        files.setdefault(item.path, {})[item.frame] = (place, item)
    return files


def _decoded(
    path: Path, wanted: dict[int, tuple[int, CtSlice]], limits: DecodeLimits
) -> Iterator[tuple[int, CtSlice, NDArray[np.generic]]]:
    dataset = open_dataset(path)
    numbers = sorted(wanted)
    everything = numbers == list(range(check_expansion(dataset, limits)))
    frames = iter_frames(dataset, limits=limits, wanted=None if everything else numbers)
    for number, stored in zip(numbers, frames, strict=False):
        place, item = wanted[number]
        if stored.shape != (item.rows, item.columns):
            raise NotIndexable("the decoded slice has another size than its header")
        yield place, item, stored


def hounsfield(stored: NDArray[np.generic], item: CtSlice) -> Volume:
    """Return Hounsfield units of one slice, rounded, at least -1024; padding becomes -1024."""
    values = stored.astype(np.float32) * np.float32(item.slope) + np.float32(item.intercept)
    hu: Volume = np.clip(np.rint(values), AIR_HU, np.iinfo(np.int16).max).astype(np.int16)
    if item.padding is not None:
        integers = stored.astype(np.int64)
        hu[(integers >= item.padding[0]) & (integers <= item.padding[1])] = AIR_HU
    return hu


def _interpolated(hu: Volume, filled: NDArray[np.bool_]) -> Volume:
    """Fill empty places between their neighbours; empty ends are cut off."""
    known = np.flatnonzero(filled)
    for below, above in pairwise(known):
        for place in range(below + 1, above):
            weight = np.float32((place - below) / (above - below))
            mixed = hu[below].astype(np.float32) * (1 - weight) + hu[above].astype(np.float32) * weight
            hu[place] = np.rint(mixed).astype(np.int16)
    return hu[known[0] : known[-1] + 1]


def _oriented(hu: Volume, geometry: StackGeometry) -> tuple[Volume, tuple[float, float, float]]:
    """Exchange and flip array axes so that they run up, to the back, to the left."""
    towards = np.abs(geometry.axes).argmax(axis=0)
    order = [int(np.flatnonzero(towards == axis)[0]) for axis in (2, 1, 0)]
    flips = tuple(
        slice(None, None, 1 if geometry.axes[axis, array_axis] > 0 else -1)
        for axis, array_axis in zip((2, 1, 0), order, strict=True)
    )
    lengths = np.linalg.norm(geometry.axes, axis=0)
    spacing = (float(lengths[order[0]]), float(lengths[order[1]]), float(lengths[order[2]]))
    return np.ascontiguousarray(hu.transpose(order)[flips]), spacing


def _untilted(hu: Volume, geometry: StackGeometry, first: int) -> tuple[Volume, tuple[float, float, float]]:
    """Resample trilinearly to a grid along the patient's axes.

    Across, the grid holds every voxel; along the body it runs between the centres of the first and last slice, because
    beyond them a tilted stack is nearly empty.
    """
    axes = geometry.axes
    origin = geometry.origin + axes[:, 0] * first
    lengths = np.linalg.norm(axes, axis=0)
    towards = np.abs(axes).argmax(axis=0)
    spacing = np.array([lengths[int(np.flatnonzero(towards == axis)[0])] for axis in (2, 1, 0)])
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) * (np.array(hu.shape) - 1)
    points = origin + corners @ axes.T
    low, high = points.min(axis=0), points.max(axis=0)
    middle = origin + axes @ np.array([0, (hu.shape[1] - 1) / 2, (hu.shape[2] - 1) / 2])
    ends = sorted((middle[2], middle[2] + axes[2, 0] * (hu.shape[0] - 1)))
    start = np.array([low[0], low[1], ends[0]])
    extent = np.array([ends[1] - ends[0], high[1] - low[1], high[0] - low[0]])
    shape = tuple(int(size) for size in np.floor(extent / spacing + 1e-6) + 1)
    outward = np.zeros((3, 3))
    outward[2, 0], outward[1, 1], outward[0, 2] = spacing
    inverse = np.linalg.inv(axes)
    resampled = affine_transform(
        hu, inverse @ outward, inverse @ (start - origin), shape, output=np.int16, order=1, cval=AIR_HU
    )
    return resampled, (float(spacing[0]), float(spacing[1]), float(spacing[2]))
