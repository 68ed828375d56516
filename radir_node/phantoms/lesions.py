"""Where findings sit in one person's thorax: shared by both renderers, so that film and CT of a case agree."""

from dataclasses import dataclass

import numpy as np

from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding
from radir_node.phantoms.thorax import SIDE_SIGN, Thorax
from radir_node.phantoms.vessels import in_lung

_FOCAL = (FindingKind.CONSOLIDATION, FindingKind.GROUND_GLASS, FindingKind.NODULE)

_PLACES = {
    "lung_apex": (0.50, 0.05, 0.86),
    "upper_lobe": (0.58, -0.10, 0.70),
    "middle_lobe": (0.58, -0.42, 0.27),
    "lingula": (0.76, -0.38, 0.30),
    "lower_lobe": (0.62, 0.40, 0.20),
    "upper_zone": (0.58, -0.05, 0.74),
    "mid_zone": (0.66, 0.10, 0.46),
    "lower_zone_base": (0.66, 0.30, 0.14),
}
"""Site -> share of the half width at its height, of the half depth (back positive), of the height of the lung."""


@dataclass(frozen=True, slots=True)
class Lesion:
    """One focal finding as an ellipsoid; `edge` is the share of the radius over which it fades out."""

    finding: PhantomFinding
    centre: tuple[float, float, float]
    axes: tuple[float, float, float]
    edge: float


def lesions(case: PhantomCase, thorax: Thorax) -> list[Lesion]:
    """Return the focal findings of a case with their places; a bilateral one gives a lesion on each side."""
    rng = np.random.default_rng([case.archive_seed, case.patient, 4])
    focal = [finding for finding in case.findings if finding.kind in _FOCAL]
    return [_lesion(finding, side, thorax, rng) for finding in focal for side in sides_of(finding)]


def sides_of(finding: PhantomFinding) -> tuple[str, ...]:
    """Return the sides that a finding is on: bilateral and midline findings have both."""
    return (finding.side,) if finding.side in SIDE_SIGN else tuple(SIDE_SIGN)


def _lesion(finding: PhantomFinding, side: str, thorax: Thorax, rng: np.random.Generator) -> Lesion:
    if finding.kind is FindingKind.NODULE:
        radius = finding.diameter_mm / 2
        axes = tuple(float(radius * f) for f in rng.uniform(0.92, 1.08, 3))
        return Lesion(finding, _centre(finding.site, side, thorax, rng, radius + 4), (axes[0], axes[1], axes[2]), 0.12)
    size = 22 + 20 * finding.severity
    grow = rng.uniform(0.85, 1.2, 3) * np.array([1.0, 1.05, 0.95]) * size
    return Lesion(finding, _centre(finding.site, side, thorax, rng, 10), (grow[0], grow[1], grow[2]), 0.55)


def _centre(
    site: str, side: str, thorax: Thorax, rng: np.random.Generator, margin: float
) -> tuple[float, float, float]:
    """Return a place in the site that is lung all around, found by small random shifts of the site's middle."""
    across, back, up = _PLACES[site]
    shifts = rng.normal(0, 1, (60, 3)) * np.array([0.09, 0.10, 0.035]) * np.linspace(0.8, 1.6, 60)[:, None]
    z = (up + shifts[:, 2]) * thorax.height
    width, _ = thorax.outline(z)
    x = SIDE_SIGN[side] * (across + shifts[:, 0]) * width
    points = np.stack([x, (back + shifts[:, 1]) * thorax.half_depth, z], axis=1).astype(np.float32)
    best = int(np.argmax(in_lung(thorax, points, margin)))
    return (float(points[best, 0]), float(points[best, 1]), float(points[best, 2]))
