"""Trachea and main bronchi, followed slice by slice from the top; called by the CT segmentation before the lungs.

Following the lumen axially and refusing any region too large for a bronchus is the leak control: where a wall is thin
enough for the lumen to merge with the lung, the threshold drops, and when that does not help the branch ends.
"""

import numpy as np
from scipy import ndimage

from radir_node.encoders.ct.grid import SPACING_MM, VOXEL_ML
from radir_node.encoders.ct.morphology import Mask, Volume

PIXEL_MM2 = SPACING_MM**2
LUMEN_HU = -600.0
TRACHEA_MM2 = (60.0, 800.0)
"""Cross-section of an adult trachea is 150 to 500 mm2; wider for children and tracheobronchomegaly."""
BRANCH_MM2 = 900.0
"""Just above the carina the lumen is one wide region; anything larger is lung."""
THRESHOLDS_HU = (-600.0, -750.0, -850.0)
MIDLINE_MM = 40.0
CHAIN_SLICES = 8
"""A trachea goes on for at least 20 mm."""
LIMIT_ML = 120.0


def find_airway(hu: Volume, body: Mask, top: int, bottom: int, midline: float) -> Mask:
    """Return the lumen of trachea and main bronchi, empty when none is found.

    The seed is searched from slice `top` down to slice `bottom` (z indices, top > bottom), near the column `midline`.
    """
    airway = np.zeros_like(body)
    best: dict[int, Mask] = {}
    z = min(top, hu.shape[0] - 1)
    while z > max(bottom, CHAIN_SLICES):
        seed = _seed(hu[z], body[z], midline)
        followed = _follow(hu, body, z, seed) if seed is not None else {}
        # The glottis ends a chain that begins in the pharynx; the longest one is the trachea's.
        if len(followed) >= max(CHAIN_SLICES, len(best) + 1):
            best = followed
        z -= max(1, len(followed))
    for level, lumen in best.items():
        airway[level] = lumen
    return airway


def _seed(plane: Volume, body: Mask, midline: float) -> Mask | None:
    """Return the roundest plausible tracheal lumen of one axial slice."""
    labels, count = ndimage.label((plane < LUMEN_HU) & body)
    best, best_roundness = None, 0.6
    for index, (rows, columns) in enumerate(ndimage.find_objects(labels, count), start=1):
        lumen = labels[rows, columns] == index
        area = lumen.sum() * PIXEL_MM2
        centre = (columns.start + columns.stop - 1) / 2
        if not TRACHEA_MM2[0] <= area <= TRACHEA_MM2[1] or abs(centre - midline) * SPACING_MM > MIDLINE_MM:
            continue
        longest = max(lumen.shape)
        roundness = lumen.sum() / (np.pi / 4 * longest**2)
        if roundness > best_roundness:
            best, best_roundness = labels == index, roundness
    return best


def _follow(hu: Volume, body: Mask, top: int, seed: Mask) -> dict[int, Mask]:
    """Return z -> lumen from the seed's slice downwards until every branch has ended."""
    followed = {top: seed}
    lumen, volume_ml = seed, 0.0
    for z in range(top - 1, -1, -1):
        lumen = _next(hu[z], body[z], ndimage.binary_dilation(lumen))
        volume_ml += float(lumen.sum()) * VOXEL_ML
        if not lumen.any() or volume_ml > LIMIT_ML:
            break
        followed[z] = lumen
    return followed


def _next(plane: Volume, body: Mask, above: Mask) -> Mask:
    """Return the continuation of the lumen `above` in the next slice, without any region as large as lung."""
    found = np.zeros_like(above)
    search = above
    for threshold in THRESHOLDS_HU:
        labels, _ = ndimage.label((plane < threshold) & body)
        touched = np.unique(labels[search])
        merged = np.zeros_like(above)
        for index in touched[touched > 0]:
            region = labels == index
            if region.sum() * PIXEL_MM2 <= BRANCH_MM2 and not _is_parenchyma(plane, region):
                found |= region
            else:
                merged |= region
        search = above & merged & ~found
        if not search.any():
            break
    return found


def _is_parenchyma(plane: Volume, region: Mask) -> bool:
    """Tell lung from lumen: a bronchus has a wall, so its surroundings are much denser than its inside."""
    ring = ndimage.binary_dilation(region, iterations=2) & ~region
    return bool(plane[ring].mean() - plane[region].mean() < 200.0)
