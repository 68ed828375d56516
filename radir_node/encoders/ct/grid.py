"""The working grid: every CT series, thick or thin, on the same isotropic raster; called by the CT encoder first.

One raster for all makes the measures comparable: noise and partial volume of a 0.6 mm series would otherwise shift
every low-attenuation measure against an 8 mm one.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from radir_node.domain.study import CtVolume
from radir_node.errors import NotIndexable

SPACING_MM = 2.5
"""Edge of a working voxel: fine enough for a main bronchus (10 mm), coarse enough for seconds on one core."""

VOXEL_ML = SPACING_MM**3 / 1000.0

MOST_VOXELS = 64_000_000
"""A whole body of 2 m with a field of view of 700 mm; more is a wrong spacing, and would take all memory."""

HU_RANGE = (-1024.0, 2000.0)
"""Values outside are padding (-2000, -3024) or metal; both would leak into means."""


def resample(volume: CtVolume) -> NDArray[np.float32]:
    """Return the volume on the working grid: float32 [z, y, x] in HU, axes as in CtVolume.

    A tent filter as wide as the coarser of the two rasters: linear interpolation where the series is coarser than the
    grid, area-like averaging where it is finer. Works slice by slice, so the memory needed beyond the input is the
    output and one slice. Raise NotIndexable when spacing, shape or extent cannot be a patient's.
    """
    spacing = volume.spacing_mm
    if volume.hu.ndim != 3 or min(volume.hu.shape) < 2 or not all(math.isfinite(s) and s > 0 for s in spacing):
        raise NotIndexable(f"not a volume: shape {volume.hu.shape}, spacing {spacing} mm")
    extent = [count * step for count, step in zip(volume.hu.shape, spacing, strict=True)]
    if math.prod(extent) / SPACING_MM**3 > MOST_VOXELS:
        raise NotIndexable("not a volume of a patient: {:.0f} x {:.0f} x {:.0f} mm".format(*extent))
    along_z, along_y, along_x = (_tent(n, s) for n, s in zip(volume.hu.shape, spacing, strict=True))
    resampled = np.zeros((along_z.shape[0], along_y.shape[0], along_x.shape[0]), np.float32)
    for index, uses in _uses(along_z):
        plane = np.clip(volume.hu[index].astype(np.float32), *HU_RANGE)
        plane = np.ascontiguousarray((along_x @ np.ascontiguousarray((along_y @ plane).T)).T)
        for target, weight in uses:
            resampled[target] += weight * plane
    return resampled


def _tent(count: int, spacing: float) -> sparse.csr_array:
    """Return the [outputs, inputs] matrix of tent weights along one axis, rows summing to 1, extents centred."""
    outputs = max(1, round(count * spacing / SPACING_MM))
    centres_in = (np.arange(count) - (count - 1) / 2) * spacing
    centres_out = (np.arange(outputs) - (outputs - 1) / 2) * SPACING_MM
    half_width = max(spacing, SPACING_MM)
    first = np.floor((centres_out - half_width - centres_in[0]) / spacing).astype(int)
    reach = np.arange(math.ceil(2 * half_width / spacing) + 2)
    columns = np.clip(first[:, None] + reach[None, :], 0, count - 1)
    weights = np.maximum(0.0, 1.0 - np.abs(centres_in[columns] - centres_out[:, None]) / half_width)
    weights[(first[:, None] + reach[None, :]) != columns] = 0.0
    empty = weights.sum(axis=1) == 0
    weights[empty, 0] = 1.0
    weights /= weights.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(outputs), reach.size)
    return sparse.csr_array((weights.ravel().astype(np.float32), (rows, columns.ravel())), shape=(outputs, count))


def _uses(along_z: sparse.csr_array) -> list[tuple[int, list[tuple[int, float]]]]:
    """Return (input slice, [(output slice, weight), ...]) for each input slice that is used."""
    by_input = along_z.tocsc()
    uses = []
    for index in range(by_input.shape[1]):
        held = slice(by_input.indptr[index], by_input.indptr[index + 1])
        pairs = zip(by_input.indices[held], by_input.data[held], strict=True)
        targets = [(int(target), float(weight)) for target, weight in pairs if weight]
        if targets:
            uses.append((index, targets))
    return uses
