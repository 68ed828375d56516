"""Operations on boolean masks of the working grid that several regions share."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radir_node.encoders.ct.grid import SPACING_MM

Mask = NDArray[np.bool_]
Volume = NDArray[np.float32]
IN_PLANE = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])[:, None, None]
"""The four neighbours in the axial slice."""

_ROUND = ndimage.generate_binary_structure(3, 2)
"""18 neighbours: repeated, the closest to a ball that single steps give."""

Box = tuple[slice, slice, slice]


def components(mask: Mask) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return the 6-connected component labels and the voxel count of each label (index 0, the rest, counts 0)."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return labels, sizes


def occupied(mask: Mask) -> NDArray[np.bool_]:
    """Return, per axial slice, whether the mask has a voxel there: bool [z]."""
    return np.asarray(mask.any(axis=(1, 2)))


def largest(mask: Mask) -> Mask:
    """Return the largest component; an empty mask stays empty."""
    labels, sizes = components(mask)
    if sizes.size < 2:
        return np.zeros_like(mask)
    return np.asarray(labels == sizes.argmax())


def bounding_box(mask: Mask, margin_mm: float = 0.0) -> Box:
    """Return the slices that hold the mask and a margin, within the array; the mask may not be empty."""
    margin = round(margin_mm / SPACING_MM)
    box = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        box.append(slice(max(0, int(hit[0]) - margin), min(mask.shape[axis], int(hit[-1]) + 1 + margin)))
    return box[0], box[1], box[2]


def fill_axial_holes(mask: Mask) -> Mask:
    """Return the mask with whatever does not reach the edge of its axial slice filled."""
    labels, count = ndimage.label(~mask, IN_PLANE)
    outside = np.zeros(count + 1, bool)
    for edge in (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]):
        outside[edge] = True
    outside[0] = False
    return np.asarray(~outside[labels])


def close_ball(mask: Mask, radius_mm: float) -> Mask:
    """Return the closing of the mask with a nearly round body, computed inside its own box."""
    if not mask.any():
        return mask.copy()
    steps = round(radius_mm / SPACING_MM)
    box = bounding_box(mask)
    # Padded, so that the edge of the volume is no wall that the closing could stick to.
    dilated = ndimage.binary_dilation(np.pad(mask[box], steps + 1), _ROUND, iterations=steps)
    closed = ndimage.binary_erosion(dilated, _ROUND, iterations=steps)
    inner = slice(steps + 1, -steps - 1)
    result = mask.copy()
    result[box] |= closed[inner, inner, inner]
    return result


def erode(mask: Mask, radius_mm: float) -> Mask:
    """Return the voxels farther than the radius from the mask's outside; the volume's edge counts as outside."""
    return np.asarray(ndimage.binary_erosion(mask, _ROUND, iterations=round(radius_mm / SPACING_MM)))


def span(mask: Mask, axis: int) -> tuple[int, int]:
    """Return first and one past last index along the axis, 0.2 % of the mask's voxels left out at each sparse end."""
    profile = mask.sum(axis=tuple(a for a in range(3) if a != axis)).cumsum()
    low, high = np.searchsorted(profile, (0.002 * profile[-1], 0.998 * profile[-1]))
    return int(low), int(high) + 1


def extent_mm(hit: NDArray[np.bool_]) -> float:
    """Return the length from the first to the last true element of a profile; 0 when none is true."""
    where = np.flatnonzero(hit)
    return float((where[-1] - where[0] + 1) * SPACING_MM) if where.size else 0.0
