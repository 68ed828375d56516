"""Body, aerated lungs, their sides and zones; called by the CT segmentation.

Sides follow the axis convention of CtVolume: x grows towards the patient's left, so the right lung has the smaller x.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radir_node.encoders.ct.grid import VOXEL_ML
from radir_node.encoders.ct.morphology import (
    IN_PLANE,
    Mask,
    Volume,
    bounding_box,
    close_ball,
    components,
    erode,
    fill_axial_holes,
    largest,
    occupied,
    span,
)
from radir_node.errors import NotIndexable

BODY_HU = -500.0
AIR_HU = -400.0
"""Between aerated lung (even ground glass, about -500) and soft tissue; the level most lung densitometry uses."""
PURE_AIR_HU = -970.0
"""Median below this is gas in bowel, table gap or bag, not lung: even severe emphysema stays near -950."""
LUNGS_LITRES = (0.5, 12.0)
LAA_HU = -950.0
"""Low-attenuation area: emphysema (a threshold validated on thin sections)."""
FREE_AIR_ML = 5.0
SMALLEST_LUNG_ML = 100.0
BOWEL_ML = 3.0
CLOSING_MM = 12.5
"""Radius that brings vessels, hila and pleural nodules of 25 mm back into the lung, but not the heart's bed."""
ZONES = ("upper_zone", "mid_zone", "lower_zone_base")


def find_body(hu: Volume) -> Mask:
    """Return the patient without table and clothes, each axial slice filled."""
    dense = ndimage.binary_erosion(hu > BODY_HU, border_value=1)
    if not dense.any():
        raise NotIndexable("no lungs found: the volume holds no body")
    body = ndimage.binary_dilation(largest(dense)) & (hu > BODY_HU)
    # In a thin patient the chest wall between two ribs can be thinner than a voxel: close it before filling.
    sealed = fill_axial_holes(ndimage.binary_dilation(body, IN_PLANE, iterations=2))
    filled = ndimage.binary_erosion(sealed, IN_PLANE, iterations=2, border_value=1) | body
    filled[1:-1] |= filled[:-2] & filled[2:]
    return np.asarray(filled)


def aerated_lungs(hu: Volume, body: Mask, airway: Mask) -> dict[str, Mask]:
    """Return "right" and "left" -> aerated lung; a side without any is an empty mask.

    Raise NotIndexable when what was found is no pair of lungs by volume.
    """
    air = (hu < AIR_HU) & body & ~ndimage.binary_dilation(airway)
    labels, sizes = components(air)
    candidates = [i for i in np.argsort(sizes)[::-1][:6] if sizes[i] * VOXEL_ML >= SMALLEST_LUNG_ML]
    candidates = [i for i in candidates if np.median(hu[labels == i]) > PURE_AIR_HU]
    if not candidates:
        raise NotIndexable("no lungs found: no aerated region of a lung's size inside the body")
    midline = midline_of(body & occupied(labels == candidates[0])[:, None, None])
    sides = {side: _without_bowel(hu, lung) for side, lung in _sides(labels, candidates, midline).items()}
    litres = sum(float(m.sum()) for m in sides.values()) * VOXEL_ML / 1000
    if not LUNGS_LITRES[0] <= litres <= LUNGS_LITRES[1]:
        raise NotIndexable(f"no lungs found: {litres:.2f} litres of aerated lung is not plausible")
    return sides


def midline_of(body: Mask) -> float:
    """Return the x index that halves the body."""
    profile = body.sum(axis=(0, 1)).cumsum()
    return float(np.searchsorted(profile, profile[-1] / 2))


def lung_field(aerated: Mask, other: Mask, barred: Mask) -> Mask:
    """Return the lung with its vessels, hilum and consolidations, never in `barred`.

    What closing and filling add must have aerated lung above and below it: below the lung lies the diaphragm.
    """
    added = fill_axial_holes(close_ball(aerated, CLOSING_MM))
    added &= np.logical_or.accumulate(aerated, axis=0)
    added &= np.logical_or.accumulate(aerated[::-1], axis=0)[::-1]
    return np.asarray((added & ~other & ~barred) | aerated)


def find_free_air(hu: Volume, aerated: Mapping[str, Mask]) -> dict[str, Mask]:
    """Return, per side, the regions of pure air too large and too even for emphysema."""
    found = {}
    homogeneous = ndimage.uniform_filter(hu, 3) < PURE_AIR_HU
    for side, lung in aerated.items():
        labels, sizes = components(lung & homogeneous)
        large = (sizes * VOXEL_ML >= FREE_AIR_ML)[labels]
        # The filter took the region's skin; the air reaches as far as pure air does.
        found[side] = ndimage.binary_dilation(large, iterations=2) & lung & (hu < LAA_HU) if large.any() else large
    return found


def zones(field: Mask) -> dict[str, Mask]:
    """Return upper, mid and lower zone: equal thirds of the lung's height, its sparse tips left out of the height."""
    if not field.any():
        return dict.fromkeys(ZONES, field)
    low, high = span(field, 0)
    cuts = low + (high - low) * np.array([1, 2]) / 3
    level = np.arange(field.shape[0])
    parts = {
        "upper_zone": level >= cuts[1],
        "mid_zone": (level >= cuts[0]) & (level < cuts[1]),
        "lower_zone_base": level < cuts[0],
    }
    return {zone: field & part[:, None, None] for zone, part in parts.items()}


def _sides(labels: NDArray[np.int32], candidates: list[np.intp], midline: float) -> dict[str, Mask]:
    first = labels == candidates[0]
    if _straddles(first, midline):
        return _split(first, midline)
    sides = {"right": np.zeros_like(first), "left": np.zeros_like(first)}
    own = _side(first, midline)
    sides[own] = first
    base = np.percentile(np.flatnonzero(occupied(first)), 15)
    for index in candidates[1:]:
        part = labels == index
        # Gas in stomach or colon lies below the base of the lung on the other side.
        if _side(part, midline) != own and _centre(part, 0) > base:
            sides[_side(part, midline)] = part
            break
    return sides


def _without_bowel(hu: Volume, lung: Mask) -> Mask:
    """Drop gas of stomach or colon that thick slices join to the lung through the diaphragm.

    Such gas is pure, low in the lung, and not surrounded by lung, which a bulla is and a pneumothorax is in part.
    """
    if not lung.any():
        return lung
    levels = np.flatnonzero(occupied(lung))
    pure = lung & (hu < PURE_AIR_HU)
    pure[(levels[0] + levels[-1]) // 2 :] = False
    if pure.sum() * VOXEL_ML < BOWEL_ML:
        return lung
    # The folds of the colon part its gas into pockets; joined, they are judged as one.
    labels, sizes = components(ndimage.binary_closing(pure, iterations=3))
    gas = np.zeros_like(lung)
    for index in np.flatnonzero(sizes * VOXEL_ML > BOWEL_ML):
        lumen = labels == index
        near = ndimage.binary_dilation(lumen, iterations=2)
        shell = ndimage.binary_dilation(near, iterations=2) & ~near
        if (shell & lung & (hu > PURE_AIR_HU)).sum() < 0.35 * shell.sum():
            gas |= ndimage.binary_dilation(near)
    return largest(lung & ~gas) if gas.any() else lung


def _centre(mask: Mask, axis: int) -> float:
    profile = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    return float((profile * np.arange(profile.size)).sum() / profile.sum())


def _side(mask: Mask, midline: float) -> str:
    return "right" if _centre(mask, 2) < midline else "left"


def _straddles(mask: Mask, midline: float) -> bool:
    right = float(mask[:, :, : int(midline)].sum()) / float(mask.sum())
    return 0.25 < right < 0.75


def _split(joined: Mask, midline: float) -> dict[str, Mask]:
    """Cut two lungs that touch, usually at the anterior junction line, where the bridge is thinnest.

    Erosion of growing depth until two large cores on both sides remain; every voxel then goes to its nearest core.
    Without such cores the midline is the cut.
    """
    for depth_mm in (2.5, 5.0, 7.5, 10.0, 15.0, 20.0):
        labels, sizes = components(erode(joined, depth_mm))
        order = np.argsort(sizes)[::-1][:2]
        if order.size < 2 or sizes[order[1]] < 0.2 * sizes[order[0]]:
            continue
        cores = sorted((labels == i for i in order), key=lambda core: _centre(core, 2))
        if _centre(cores[0], 2) < midline < _centre(cores[1], 2):
            return _nearest(joined, cores[0], cores[1])
    right = np.arange(joined.shape[2]) < midline
    return {"right": joined & right, "left": joined & ~right}


def _nearest(joined: Mask, right: Mask, left: Mask) -> dict[str, Mask]:
    box = bounding_box(joined)
    cores = right[box] | left[box]
    z, y, x = ndimage.distance_transform_edt(~cores, return_distances=False, return_indices=True)
    to_right = np.zeros_like(joined)
    to_right[box] = right[box][z, y, x]
    return {"right": joined & to_right, "left": joined & ~to_right}
