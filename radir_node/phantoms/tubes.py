"""Tubes (ribs, vessels, airways, leads) as clouds of small volumes, and the two ways to lay them on a grid.

Each piece of a tube keeps its volume, so that a vessel seen end on or a rib seen edge on comes out brighter, as it
does on a film, and a thin vessel fills only its share of a thick CT slice.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]

_SLIDE = 0.4142135624
"""Irrational, and not the turn of the disc's spiral: pieces must not wind along the tube as a helix."""
_RADIUS_GROUPS = (0.0, 1.0, 1.8, 3.5, 8.0, 1000.0)
"""Bounds in mm of the radii that share one pattern of points."""


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
    cloud: Tubes,
    shape: tuple[int, int],
    origin: tuple[float, float],
    pixel_mm: float,
    flatten: float = 1.0,
    hollow: float = 0.0,
) -> NDArray[np.float32]:
    """Return the thickness in mm that the tubes add along y, float32 [rows, columns].

    origin is (x, z) of the top left pixel's middle; z falls with the row. flatten scales a tube across its width in
    the axial plane (a rib is a band, not a rod); hollow is the share of the radius that is empty (marrow).
    """
    image = np.zeros(shape, np.float32)
    for points, volume in _pieces(cloud, pixel_mm, flatten, hollow):
        columns = ((points[..., 0] - origin[0]) / pixel_mm).ravel()
        rows = ((origin[1] - points[..., 2]) / pixel_mm).ravel()
        weights = np.broadcast_to(volume[:, None] / np.float32(pixel_mm**2), points.shape[:2]).ravel()
        image += _splat(rows, columns, weights, shape)
    return image


def _pieces(cloud: Tubes, step: float, flatten: float, hollow: float) -> Iterator[tuple[Points, Points]]:
    """Yield points [samples, pieces, 3] spread over the cross-sections, and the volume in mm3 of a piece of each.

    Thin tubes come apart from thick ones, so that a capillary does not cost as many points as the aorta. Each section
    is turned against its neighbour and its pieces slid along the tube, or they would line up as stripes.
    """
    for low, high in itertools.pairwise(_RADIUS_GROUPS):
        kept = (cloud.radii > low) & (cloud.radii <= high)
        if not kept.any():
            continue
        radii, tangents = cloud.radii[kept, None], cloud.tangents[kept]
        disc = _disc(float(radii.max()), step, hollow)
        turn = np.arange(len(radii), dtype=np.float32)[:, None] * np.float32(2.4)
        across = (disc[:, 0] * np.cos(turn) - disc[:, 1] * np.sin(turn)) * (flatten * radii)
        along = (disc[:, 0] * np.sin(turn) + disc[:, 1] * np.cos(turn)) * radii
        first = np.stack([tangents[:, 1], -tangents[:, 0], np.zeros(len(tangents), np.float32)], axis=1)
        length = np.linalg.norm(first, axis=1, keepdims=True)
        first = np.where(length > 0.05, first / np.maximum(length, 0.05), np.array([1, 0, 0], np.float32))
        second = np.cross(tangents, first)
        slide = (np.arange(len(disc)) * _SLIDE % 1 - 0.5).astype(np.float32) * cloud.steps[kept, None]
        points = cloud.points[kept, None] + across[..., None] * first[:, None] + along[..., None] * second[:, None]
        points += slide[..., None] * tangents[:, None]
        volume = flatten * np.pi * (1 - hollow**2) * radii[:, 0] ** 2 * cloud.steps[kept] / len(disc)
        yield np.asarray(points, np.float32), np.asarray(volume, np.float32)


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
    flats, weights = [], []
    for points, volume in _pieces(cloud, 0.6 * min(spacing), flatten, 0.0):
        index = [np.rint((points[..., 2 - i] - origin[i]) / spacing[i]).astype(np.int32) for i in range(3)]
        kept = np.all([(i >= 0) & (i < n) for i, n in zip(index, shape, strict=True)], axis=0)
        flats.append(np.ravel_multi_index(tuple(i[kept] for i in index), shape))
        weights.append(np.broadcast_to(volume[:, None] / np.float32(np.prod(spacing)), kept.shape)[kept])
    filled = np.bincount(np.concatenate(flats), np.concatenate(weights), int(np.prod(shape)))
    return np.minimum(filled, 1).astype(np.float32).reshape(shape)


def _disc(radius: float, step: float, hollow: float) -> Points:
    """Return points spread evenly over the unit disc or ring, as many as a tube of that radius needs at that step."""
    area = np.pi * (radius / step) ** 2 * (1 - hollow**2)
    count = int(np.clip(area, 7, 1200 if hollow == 0 else 60))
    turn = np.arange(count) * np.pi * (3 - np.sqrt(5))
    distance = np.sqrt(hollow**2 + (1 - hollow**2) * (np.arange(count) + 0.5) / count)
    return np.stack([distance * np.cos(turn), distance * np.sin(turn)], axis=1).astype(np.float32)
