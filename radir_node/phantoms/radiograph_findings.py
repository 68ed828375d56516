"""Findings laid into the layers of a frontal film. Called by chest_radiograph."""

from dataclasses import dataclass, field, replace

import numpy as np

from radir_node.domain.phantom import FindingKind, PhantomCase, PhantomFinding
from radir_node.phantoms import devices
from radir_node.phantoms.lesions import Lesion, lesions, sides_of
from radir_node.phantoms.radiograph_anatomy import Detector
from radir_node.phantoms.texture import clouds
from radir_node.phantoms.thorax import SIDE_SIGN, Array, Thorax


@dataclass(frozen=True, slots=True)
class Film:
    """Path lengths in mm along every ray, float32 [rows, columns] each."""

    at: Detector
    body: Array
    lung: Array
    vessel: Array
    bone: Array
    gas: Array
    """Air of the airways and the stomach."""
    air: Array = field(default_factory=lambda: np.zeros((1, 1), np.float32))
    """Air of the pleural space."""
    metal: Array = field(default_factory=lambda: np.zeros((1, 1), np.float32))


def place_findings(film: Film, case: PhantomCase, thorax: Thorax) -> Film:
    """Return the film with every finding of the case drawn in; an enlarged heart is part of the thorax already."""
    rng = np.random.default_rng([case.archive_seed, case.patient, 5])
    shape = film.at.shape
    ragged = 0.5 * clouds(shape, 44, rng) + 0.35 * clouds(shape, 20, rng) + 0.2 * clouds(shape, 8, rng)
    for finding in case.findings:
        for side in sides_of(finding):
            if finding.kind is FindingKind.EFFUSION:
                film = _effusion(film, finding, side, thorax)
            elif finding.kind is FindingKind.PNEUMOTHORAX:
                film = _pneumothorax(film, finding, side, thorax)
            elif finding.kind is FindingKind.EMPHYSEMA:
                film = _emphysema(film, finding, side, thorax)
    for lesion in lesions(case, thorax):
        film = _nodule(film, lesion) if lesion.finding.kind is FindingKind.NODULE else _opacity(film, lesion, ragged)
    return replace(film, metal=devices.metal_thickness(film.at, case, thorax))


def _effusion(film: Film, finding: PhantomFinding, side: str, thorax: Thorax) -> Film:
    """Fill the pleural space from below, the surface rising to the chest wall as a meniscus."""
    sign, x, z = SIDE_SIGN[side], film.at.x * SIDE_SIGN[side], film.at.z
    level = -thorax.sulcus + 24 + 0.52 * thorax.height * finding.severity**1.3
    wall, _ = thorax.outline(np.array(max(level, 0), np.float32))
    climb = (18 + 26 * finding.severity) * np.exp(-np.clip(wall - x, 0, None) / (14 + 12 * finding.severity))
    near = 1 / (1 + np.exp((z - level - climb) / 4.5))
    share = near * (film.at.x * sign > 0)
    return replace(film, lung=film.lung * (1 - share), vessel=film.vessel * (1 - 0.9 * share))


def _pneumothorax(film: Film, finding: PhantomFinding, side: str, thorax: Thorax) -> Film:
    """Draw the lung in from wall and apex: beyond its thin edge there is air and no vessel."""
    gap = 9 + 30 * finding.severity
    x, z = film.at.x * SIDE_SIGN[side], film.at.z
    apex = 1.5 * gap
    width, _ = thorax.outline(z + apex * np.clip(z / thorax.height, 0, 1))
    edge = width - gap * (0.35 + 0.65 * np.clip(z / (0.5 * thorax.height), 0, 1))
    inside = 1 / (1 + np.exp(np.clip((x - edge) / 0.5, -30, 30)))
    here = (x > 0) & (film.lung > 0)
    lost = np.where(here, 1 - inside, 0).astype(np.float32)
    line = np.where(here, np.exp(-(((x - edge) / 0.9) ** 2)), 0)
    return replace(
        film,
        air=film.air + film.lung * lost,
        lung=film.lung * (1 - lost),
        vessel=film.vessel * (1 - lost) + (3.2 * line).astype(np.float32),
    )


def _emphysema(film: Film, finding: PhantomFinding, side: str, thorax: Thorax) -> Film:
    """Thin out vessels and parenchyma, most in the upper zones."""
    upper = np.clip(film.at.z / thorax.height, 0, 1) * (film.at.x * SIDE_SIGN[side] > 0) * finding.severity
    lost = (0.40 * upper * film.lung).astype(np.float32)
    return replace(film, lung=film.lung - lost, air=film.air + lost, vessel=film.vessel * (1 - 0.7 * upper))


def _opacity(film: Film, lesion: Lesion, noise: Array) -> Film:
    """Replace air of the lung by fluid in a cloud with an uneven border."""
    (x0, _, z0), (rx, ry, rz) = lesion.centre, lesion.axes
    distance = np.hypot((film.at.x - x0) / (1.25 * rx), (film.at.z - z0) / (1.15 * rz)) + 0.36 * noise
    share = 1 / (1 + np.exp((distance - 0.9) / (0.30 * lesion.edge)))
    dense = 0.85 if lesion.finding.kind is FindingKind.CONSOLIDATION else 0.42
    same_side = np.sign(film.at.x) == np.sign(x0)
    depth = np.minimum(2.2 * ry, 0.85 * film.lung) * np.clip(0.75 + 0.25 * noise, 0.2, 1.2)
    filled = np.minimum(dense * depth * share * same_side, film.lung)
    return replace(film, lung=film.lung - filled, vessel=film.vessel * (1 - 0.5 * share * same_side))


def _nodule(film: Film, lesion: Lesion) -> Film:
    (x0, _, z0), (rx, ry, rz) = lesion.centre, lesion.axes
    chord = 2 * ry * np.sqrt(np.maximum(1 - ((film.at.x - x0) / rx) ** 2 - ((film.at.z - z0) / rz) ** 2, 0))
    return replace(film, vessel=film.vessel + 1.25 * chord.astype(np.float32))
