"""Findings laid into the CT volume of a supine person. Called by chest_ct."""

import numpy as np

from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding
from radir_node.phantoms.ct_anatomy import AIR, BLOOD, Grid, Mask, cavity_level
from radir_node.phantoms.lesions import Lesion, lesions, sides_of
from radir_node.phantoms.texture import clouds_3d
from radir_node.phantoms.thorax import SIDE_SIGN, Array, Thorax

_FLUID = 12.0


def place_findings(hu: Array, lungs: Mask, case: PhantomCase, thorax: Thorax, grid: Grid) -> Array:
    """Return the volume with every finding of the case; an enlarged heart is part of the thorax already."""
    rng = np.random.default_rng([case.archive_seed, case.patient, 8])
    cloud = clouds_3d(grid.shape, (3, 10), rng)
    for lesion in lesions(case, thorax):
        hu = _focal(hu, lungs, lesion, cloud, grid)
    for finding in case.findings:
        for side in sides_of(finding):
            here = lungs & (grid.x * SIDE_SIGN[side] > 0)
            if finding.kind is FindingKind.EMPHYSEMA:
                hu = _emphysema(hu, here, finding, thorax, grid, rng)
            elif finding.kind is FindingKind.EFFUSION:
                hu = _effusion(hu, here, finding, thorax, grid)
            elif finding.kind is FindingKind.PNEUMOTHORAX:
                hu = _pneumothorax(hu, here, finding, thorax, grid)
    return hu


def _focal(hu: Array, lungs: Mask, lesion: Lesion, cloud: Array, grid: Grid) -> Array:
    """Fill a part of the lung: solid for a nodule, patchy for consolidation, a veil for ground glass."""
    scaled = [(axis - c) / r for axis, c, r in zip((grid.x, grid.y, grid.z), lesion.centre, lesion.axes, strict=True)]
    distance = np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2)
    if lesion.finding.kind is FindingKind.NODULE:
        share = np.clip((1.08 - distance) / lesion.edge, 0, 1)
        return np.asarray(hu + share * (38 - hu) * lungs, np.float32)
    share = 1 / (1 + np.exp((distance + 0.30 * cloud - 1.0) / (0.16 * lesion.edge)))
    if lesion.finding.kind is FindingKind.CONSOLIDATION:
        filled = np.clip(share * (0.93 + 0.05 * cloud), 0, 1)
        return np.asarray(hu + filled * (32 - hu) * lungs, np.float32)
    lifted = share * np.clip(270 + 50 * cloud, 120, 400)
    return np.asarray(np.where(lungs, np.maximum(hu, np.minimum(hu + lifted, -120)), hu), np.float32)


def _emphysema(
    hu: Array, here: Mask, finding: PhantomFinding, thorax: Thorax, grid: Grid, rng: np.random.Generator
) -> Array:
    """Punch holes of destroyed lung, most of them in the upper third."""
    holes = np.zeros(grid.shape, bool)
    inside = np.argwhere(here & (hu < -700))
    height = np.clip(grid.z[inside[:, 0], 0, 0] / thorax.height, 0, 1).astype(np.float64) ** 2.5
    count = int(1800 * finding.severity)
    for z, y, x in inside[rng.choice(len(inside), count, p=height / height.sum())]:
        radius = rng.uniform(3.0, 4.0 + 6.0 * finding.severity)
        _sphere(holes, (z, y, x), radius, grid)
    lowered = np.where(here, hu - 22 * finding.severity, hu)
    return np.asarray(np.where(holes & here & (hu < -250), np.minimum(hu, -978), lowered), np.float32)


def _sphere(mask: Mask, at: tuple[int, int, int], radius: float, grid: Grid) -> None:
    reach = [int(radius / step) + 1 for step in grid.spacing]
    box = tuple(slice(max(0, c - r), c + r + 1) for c, r in zip(at, reach, strict=True))
    offsets = [
        (np.arange(s.start, min(s.stop, n)) - c) * step
        for s, n, c, step in zip(box, mask.shape, at, grid.spacing, strict=True)
    ]
    square = offsets[0][:, None, None] ** 2 + offsets[1][None, :, None] ** 2 + offsets[2][None, None, :] ** 2
    mask[box] |= square < radius * radius


def _effusion(hu: Array, here: Mask, finding: PhantomFinding, thorax: Thorax, grid: Grid) -> Array:
    """Lay fluid along the back wall, deeper towards the base, with a rim of compressed lung in front of it."""
    level = cavity_level(thorax, grid)
    base = np.clip(1 - (grid.z + 40) / ((0.45 + 0.55 * finding.severity) * thorax.height), 0, 1)
    thick = (0.12 + 0.62 * finding.severity) * base**0.6
    back = level * (0.35 + 0.65 * np.clip(grid.y / (0.5 * thorax.half_depth), -0.5, 1))
    fluid = here & (back > 1 - thick) & (base > 0) & (grid.y > -0.25 * thorax.half_depth)
    rim = here & (back > 1 - thick - 0.10 * (1 + finding.severity)) & (base > 0.1) & (grid.y > -0.2 * thorax.half_depth)
    hu = np.where(rim, np.maximum(hu, BLOOD - 12), hu)
    return np.asarray(np.where(fluid, _FLUID, hu), np.float32)


def _pneumothorax(hu: Array, here: Mask, finding: PhantomFinding, thorax: Thorax, grid: Grid) -> Array:
    """Let the lung sink to the back: air in front of it and, thinner, beside it."""
    gap = 10 + 34 * finding.severity
    front = np.clip(-grid.y / thorax.half_depth, 0, 1)
    side = np.clip(np.abs(grid.x) / thorax.half_width, 0, 1)
    shrink = gap * (0.85 * front + 0.18 * side) / thorax.half_depth
    free = here & (cavity_level(thorax, grid) > (1 - shrink) ** 2.2) & (shrink > 0.02)
    return np.asarray(np.where(free, AIR, hu), np.float32)
