"""Tubes (ribs, vessels, airways, leads) as clouds of small volumes, and the two ways to lay them on a grid.

Each piece of a tube keeps its volume, so that a vessel seen end on or a rib seen edge on comes out brighter, as it
does on a film, and a thin vessel fills only its share of a thick CT slice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tubes:
    """Samples along one or many centre lines: points, unit tangents, radii and step lengths in mm."""

    points: Points
    tangents: Points
    radii: Points
    steps: Points


def tubes(lines: Sequence[tuple[Points, Points]], step_mm: float) -> Tubes:
    """Return (points [n, 3], radii [n]) lines resampled at about step_mm, in one value."""
    parts = [_resampled(points, radii, step_mm) for points, radii in lines]
    columns = [np.concatenate([part[i] for part in parts]).astype(np.float32) for i in range(4)]
    return Tubes(*columns)


def _resampled(points: Points, radii: Points, step_mm: float) -> tuple[Points, Points, Points, Points]:
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(lengths)])
    count = max(2, int(along[-1] / step_mm))
    at = (np.arange(count) + 0.5) * along[-1] / count
    line = np.stack([np.interp(at, along, points[:, i]) for i in range(3)], axis=1)
    segment = np.clip(np.searchsorted(along, at) - 1, 0, len(lengths) - 1)
    tangents = np.diff(points, axis=0)[segment] / np.maximum(lengths[segment], 1e-6)[:, None]
    return line, tangents, np.interp(at, along, radii), np.full(count, along[-1] / count)


def project(
    cloud: Tubes, shape: tuple[int, int], origin: tuple[float, float], pixel_mm: float, hollow: float = 0.0
) -> NDArray[np.float32]:
    """Return the thickness in mm that the tubes add along y, float32 [rows, columns].

    origin is (x, z) of the top left pixel's middle; z falls with the row. hollow is the share of the radius that is
    empty (a bone's marrow).
    """
    across = int(np.clip(2.2 * float(cloud.radii.max()) / pixel_mm, 5, 41))
    s = ((np.arange(across) + 0.5) / across * 2 - 1).astype(np.float32)
    profile = np.sqrt(1 - s * s) - np.sqrt(np.maximum(hollow * hollow - s * s, 0))
    normal = np.stack([cloud.tangents[:, 2], -cloud.tangents[:, 0]], axis=1)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-3)
    x = cloud.points[:, :1] + normal[:, :1] * cloud.radii[:, None] * s
    z = cloud.points[:, 2:] + normal[:, 1:] * cloud.radii[:, None] * s
    volume = 2 * profile * (cloud.radii**2 * cloud.steps)[:, None] * (2 / across)
    rows, columns, weights = (
        np.asarray(v, np.float32).ravel()
        for v in ((origin[1] - z) / pixel_mm, (x - origin[0]) / pixel_mm, volume / pixel_mm**2)
    )
    return _splat(rows, columns, weights, shape)


def _splat(rows: Points, columns: Points, weights: Points, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the weights laid on a grid, each shared by its four nearest pixels."""
    kept = (rows >= 0) & (rows < shape[0] - 1) & (columns >= 0) & (columns < shape[1] - 1)
    rows, columns, weights = rows[kept], columns[kept], weights[kept]
    top, left = rows.astype(np.int32), columns.astype(np.int32)
    down, right = rows - top, columns - left
    flat = top * shape[1] + left
    size = shape[0] * shape[1]
    image = np.bincount(flat, weights * (1 - down) * (1 - right), size)
    image += np.bincount(flat + 1, weights * (1 - down) * right, size)
    image += np.bincount(flat + shape[1], weights * down * (1 - right), size)
    image += np.bincount(flat + shape[1] + 1, weights * down * right, size)
    return image.reshape(shape).astype(np.float32)


def voxelise(
    cloud: Tubes, shape: tuple[int, int, int], origin: Sequence[float], spacing: Sequence[float], flatten: float = 1.0
) -> NDArray[np.float32]:
    """Return the share (0 to 1) of each voxel that the tubes fill, float32 [slices, rows, columns].

    origin is (z, y, x) of the first voxel's middle and spacing follows the same order. flatten scales the tube across
    its width in the axial plane (a rib is a band, not a rod).
    """
    disc = _disc(float(cloud.radii.max()), 0.6 * min(spacing))
    first = np.cross(cloud.tangents, np.array([0, 0, 1], np.float32))
    first /= np.maximum(np.linalg.norm(first, axis=1, keepdims=True), 1e-3)
    second = np.cross(cloud.tangents, first)
    offset = flatten * first[:, None] * disc[None, :, :1] + second[:, None] * disc[None, :, 1:]
    points = cloud.points[:, None] + offset * cloud.radii[:, None, None]
    volume = flatten * np.pi * cloud.radii**2 * cloud.steps / len(disc) / float(np.prod(spacing))
    index = [np.rint((points[..., 2 - axis] - origin[axis]) / spacing[axis]).astype(np.int32) for axis in range(3)]
    kept = np.all([(i >= 0) & (i < n) for i, n in zip(index, shape, strict=True)], axis=0)
    flat = np.ravel_multi_index(tuple(i[kept] for i in index), shape)
    weights = np.broadcast_to(volume[:, None], kept.shape)[kept]
    filled = np.bincount(flat, weights, int(np.prod(shape))).reshape(shape)
    return np.minimum(filled, 1).astype(np.float32)


def _disc(radius: float, step: float) -> Points:
    """Return points spread evenly over the unit disc, as many as a tube of that radius needs at that step."""
    count = int(np.clip(np.pi * (radius / step) ** 2, 7, 500))
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    distance = np.sqrt((np.arange(count) + 0.5) / count)
    return np.stack([distance * np.cos(turn), distance * np.sin(turn)], axis=1).astype(np.float32)
