"""Measures of airway, heart, mediastinum, spine and chest wall; called by `features`.

Densities follow the usual CT windows: fat -150 to -30 HU, muscle 0 to 100, calcium above 130 (as coronary scoring).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radir_node.encoders.ct.grid import SPACING_MM, VOXEL_ML
from radir_node.encoders.ct.mediastinum import BONE_HU
from radir_node.encoders.ct.morphology import Mask, Volume, extent_mm, occupied
from radir_node.encoders.ct.segmentation import Thorax

FAT_HU = (-150.0, -30.0)
MUSCLE_HU = (0.0, 100.0)
CALCIUM_HU = 130.0
CONTRAST_HU = 80.0
"""Blood is 35 to 55 HU without contrast; above this the pool is enhanced and calcium cannot be told from it."""
SMALLEST_HEART_ML = 100.0
TRACHEA_SLICES = 16
"""The uppermost 40 mm of the airway."""


def airway_measures(thorax: Thorax) -> dict[str, float]:
    """Return tracheal_area_mm2, tracheal_shape (transverse / sagittal), tracheal_shift_mm (+ left), volume_ml."""
    levels = np.flatnonzero(occupied(thorax.airway))[::-1][:TRACHEA_SLICES]
    names = ("tracheal_area_mm2", "tracheal_shape", "tracheal_shift_mm", "volume_ml")
    if levels.size == 0:
        return dict.fromkeys(names, np.nan)
    planes = [thorax.airway[z] for z in levels]
    shift = np.median([np.nonzero(plane)[1].mean() for plane in planes]) - _column(thorax.spine, thorax.midline)
    values = (
        np.median([plane.sum() for plane in planes]) * SPACING_MM**2,
        np.median([_elongation(plane) for plane in planes]),
        shift * SPACING_MM,
        thorax.airway.sum() * VOXEL_ML,
    )
    return dict(zip(names, map(float, values), strict=True))


def heart_measures(thorax: Thorax) -> dict[str, float]:
    """Return the size, density and place of the heart; NaN without one of plausible size.

    ctr (heart / inner thoracic width), width_mm, volume_ml (without the part below the dome of the diaphragm), mean_hu,
    left_percent (left of the spine's middle), fat_percent, calcium_percent (NaN with contrast).
    """
    names = ("ctr", "width_mm", "volume_ml", "mean_hu", "left_percent", "fat_percent", "calcium_percent")
    heart = thorax.heart
    volume_ml = float(heart.sum()) * VOXEL_ML
    if volume_ml < SMALLEST_HEART_ML:
        return dict.fromkeys(names, np.nan)
    width = float(np.percentile([extent_mm(plane.any(axis=0)) for plane in heart[occupied(heart)]], 95))
    hu = thorax.hu[heart]
    middle = _column(thorax.spine, thorax.midline)
    calcium = 100.0 * float((hu > CALCIUM_HU).mean()) if np.median(hu) < CONTRAST_HU else np.nan
    left = 100.0 * float(heart[:, :, int(middle) :].sum()) * VOXEL_ML / volume_ml
    values = (width / inner_width_mm(thorax), width, volume_ml, float(hu.mean()), left, _share(hu, FAT_HU), calcium)
    return dict(zip(names, values, strict=True))


def mediastinum_measures(thorax: Thorax) -> dict[str, float]:
    """Return the size, density and place of what lies between the lungs above the dome of the diaphragm.

    volume_l, upper_width_mm (mean row of the upper half), width_ratio (to the inner thoracic width), mean_hu,
    fat_percent, bright_percent (above 130 HU: calcium or contrast), shift_mm (+ left of the spine's middle).
    """
    names = ("volume_l", "upper_width_mm", "width_ratio", "mean_hu", "fat_percent", "bright_percent", "shift_mm")
    region = thorax.mediastinum
    levels = np.flatnonzero(occupied(region))
    if levels.size < 2:
        return dict.fromkeys(names, np.nan)
    upper = region[levels[levels >= (levels[0] + levels[-1]) / 2]]
    width = float(upper.sum() / upper.any(axis=2).sum()) * SPACING_MM
    hu = thorax.hu[region]
    values = (
        region.sum() * VOXEL_ML / 1000.0,
        width,
        width / inner_width_mm(thorax),
        hu[hu > FAT_HU[0]].mean(),
        _share(hu, FAT_HU),
        100.0 * (hu > CALCIUM_HU).mean(),
        (_column(region, thorax.midline) - _column(thorax.spine, thorax.midline)) * SPACING_MM,
    )
    return dict(zip(names, map(float, values), strict=True))


def spine_measures(thorax: Thorax) -> dict[str, float]:
    """Return trabecular_hu, compact_percent, scoliosis_mm, kyphosis_mm of the thoracic vertebrae beside the lungs.

    trabecular_hu: median over the levels of a 15 x 15 mm core behind the anterior edge of the body, so discs count too.
    scoliosis and kyphosis: largest distance of the spine's course from a straight line, lateral and sagittal.
    """
    names = ("trabecular_hu", "compact_percent", "scoliosis_mm", "kyphosis_mm")
    spine = thorax.spine
    levels = np.flatnonzero(spine.sum(axis=(1, 2)) * SPACING_MM**2 > 300.0)
    if levels.size < 8:
        return dict.fromkeys(names, np.nan)
    middles = np.array([np.median(np.nonzero(spine[z])[1]) for z in levels])
    fronts = np.array([np.percentile(np.nonzero(spine[z])[0], 2) for z in levels])
    cores = [_core_hu(thorax.hu[z], x, y) for z, x, y in zip(levels, middles, fronts, strict=True)]
    values = (
        np.median(cores),
        100.0 * (thorax.hu[spine] > BONE_HU).mean(),
        _bend(middles) * SPACING_MM,
        _bend(fronts) * SPACING_MM,
    )
    return dict(zip(names, map(float, values), strict=True))


def chest_wall_measures(thorax: Thorax) -> dict[str, float]:
    """Return what surrounds the lungs in the upper 60 % of their height, arms included where they lie in the picture.

    area_cm2 (mean axial area), fat_percent, muscle_percent, muscle_hu, bone_percent, body_width_mm, body_depth_mm,
    inner_width_mm, inner_shape (depth / width of the rib cage; a barrel chest is near 0.8).
    """
    names = (
        "area_cm2",
        "fat_percent",
        "muscle_percent",
        "muscle_hu",
        "bone_percent",
        "body_width_mm",
        "body_depth_mm",
        "inner_width_mm",
        "inner_shape",
    )
    wall = thorax.chest_wall
    levels = np.flatnonzero(occupied(wall))
    if levels.size == 0:
        return dict.fromkeys(names, np.nan)
    hu = thorax.hu[wall]
    muscle = hu[(hu > MUSCLE_HU[0]) & (hu < MUSCLE_HU[1])]
    chest = thorax.body[levels[: max(1, levels.size // 2)]]
    lungs = thorax.fields["right"] | thorax.fields["left"]
    depth = float(np.percentile([extent_mm(plane.any(axis=1)) for plane in lungs[occupied(lungs)]], 95))
    width = inner_width_mm(thorax)
    values = (
        wall.sum() * SPACING_MM**2 / 100.0 / levels.size,
        _share(hu, FAT_HU),
        _share(hu, MUSCLE_HU),
        muscle.mean() if muscle.size else np.nan,
        100.0 * (hu > BONE_HU).mean(),
        np.median([extent_mm(plane.any(axis=0)) for plane in chest]),
        np.median([extent_mm(plane.any(axis=1)) for plane in chest]),
        width,
        depth / width,
    )
    return dict(zip(names, map(float, values), strict=True))


def inner_width_mm(thorax: Thorax) -> float:
    """Return the largest width from the right lung's outer edge to the left lung's, robust to single slices."""
    lungs = thorax.fields["right"] | thorax.fields["left"]
    return float(np.percentile([extent_mm(plane.any(axis=0)) for plane in lungs[occupied(lungs)]], 95))


def _elongation(plane: Mask) -> float:
    """Return transverse over sagittal spread of a lumen; the added 1/12 is the spread within one voxel."""
    rows, columns = np.nonzero(plane)
    return float(np.sqrt((columns.var() + 1 / 12) / (rows.var() + 1 / 12)))


def _core_hu(plane: Volume, middle: float, front: float) -> float:
    first, half = round(front + 5.0 / SPACING_MM), round(7.5 / SPACING_MM)
    x = round(middle)
    return float(plane[first : first + 2 * half, max(0, x - half) : x + half + 1].mean())


def _bend(course: NDArray[np.float64]) -> float:
    """Return the largest distance of a smoothed course from its least-squares line."""
    smooth = ndimage.median_filter(course, 7, mode="nearest")
    steps = np.arange(course.size)
    line = np.polynomial.Polynomial.fit(steps, smooth, 1)
    return float(np.abs(smooth - line(steps)).max())


def _column(mask: Mask, default: float) -> float:
    profile = mask.sum(axis=(0, 1))
    total = profile.sum()
    return float((profile * np.arange(profile.size)).sum() / total) if total else default


def _share(hu: Volume, window: tuple[float, float]) -> float:
    return 100.0 * float(((hu > window[0]) & (hu < window[1])).mean())
