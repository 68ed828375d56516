"""Draws a frontal chest radiograph of a case: layers of path length, exposure, noise and the vendor's grey scale.

Called by radir_node.phantoms.archive.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radir_node.domain.phantom import PhantomCase
from radir_node.phantoms import radiograph_anatomy as anatomy
from radir_node.phantoms.label import burn, burn_synthetic
from radir_node.phantoms.radiograph_findings import Film, place_findings
from radir_node.phantoms.texture import clouds, enlarge
from radir_node.phantoms.thorax import Array, Thorax, thorax_of

PIXEL_MM = 0.65
WHITE = 4095
_WATER = 0.0175
"""Attenuation per mm of soft tissue at chest tube voltage, grid in."""
_BONE = 0.040
_METAL = 0.9
_LUNG_DENSITY = 0.27


def draw(case: PhantomCase) -> tuple[NDArray[np.uint16], tuple[float, float]]:
    """Return the film, uint16 [1, rows, columns] with 12 bit and bright bone, and its pixel spacing in mm."""
    thorax = thorax_of(case)
    rng = np.random.default_rng([case.archive_seed, case.patient, 2])
    technique = np.random.default_rng([case.archive_seed, case.number, 3])
    at = anatomy.detector_for(thorax, PIXEL_MM, technique)
    film = Film(
        at=at,
        body=anatomy.body_thickness(thorax, at, rng),
        lung=anatomy.lung_thickness(thorax, at),
        vessel=anatomy.vessel_thickness(thorax, at, rng),
        bone=anatomy.bone_thickness(thorax, at, rng),
        gas=anatomy.airway_thickness(thorax, at) + _stomach_bubble(thorax, at, rng),
    )
    film = place_findings(film, case, thorax)
    image = _grey(_exposed(_attenuation(film, rng), technique), technique)
    burn(image[0], "L", (26, -34), WHITE, height=34)
    burn_synthetic(image[0], WHITE)
    return image, (PIXEL_MM, PIXEL_MM)


def _stomach_bubble(thorax: Thorax, at: anatomy.Detector, rng: np.random.Generator) -> Array:
    """Return the path in the gas under the left dome that most upright films show."""
    x0, z0 = rng.uniform(0.35, 0.55) * thorax.half_width, thorax.left_dome - rng.uniform(20, 30)
    square = ((at.x - x0) / rng.uniform(14, 30)) ** 2 + ((at.z - z0) / rng.uniform(6, 12)) ** 2
    return np.asarray(rng.uniform(12, 38) * np.sqrt(np.maximum(1 - square, 0)), np.float32)


def _attenuation(film: Film, rng: np.random.Generator) -> Array:
    """Return the line integral of attenuation, with the grain of muscle and of lung parenchyma."""
    shape = film.at.shape
    grain = 1 + 0.008 * clouds(shape, 30, rng) + 0.004 * clouds(shape, 8, rng)
    parenchyma = _LUNG_DENSITY * (1 + 0.05 * clouds(shape, 9, rng) + 0.04 * clouds(shape, 3.5, rng))
    tissue = (film.body - film.lung - film.air - 1.2 * film.gas).clip(0) * grain
    water = tissue + parenchyma * film.lung + 1.25 * (1 - _LUNG_DENSITY) * film.vessel
    return np.asarray(_WATER * water + _BONE * film.bone + _METAL * film.metal, np.float32)


def _exposed(attenuation: Array, rng: np.random.Generator) -> Array:
    """Return minus the logarithm of the detector's signal: focal blur, scatter and quantum noise."""
    signal = np.exp(-gaussian_filter(attenuation, 0.55))
    signal = signal + 0.06 * _slow(signal, 40) + 0.002
    quanta = rng.standard_normal(signal.shape, dtype=np.float32) * np.sqrt(signal) * 0.0045
    return np.asarray(-np.log(np.maximum(signal + quanta, 1e-4)), np.float32)


def _slow(picture: Array, sigma: float) -> Array:
    """Return the picture blurred by sigma pixels, by way of a picture an eighth as large."""
    shape = (picture.shape[0], picture.shape[1])
    return enlarge(gaussian_filter(enlarge(picture, (shape[0] // 8, shape[1] // 8)), sigma / 8), shape)


def _grey(density: Array, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return the film as displayed: large structures evened out, then an S-shaped grey scale, 12 bit.

    Every study is shown a little softer or harder, lighter or darker than the last.
    """
    evenness, steepness, middle = rng.uniform(0.42, 0.58), rng.uniform(3.4, 4.6), rng.uniform(0.30, 0.43)
    coarse = _slow(density, 56)
    even = density - evenness * (coarse - float(coarse.mean()))
    inside = even[density > 0.8]
    low, high = np.percentile(inside[::7], [3, 98.5])
    level = (even - low) / max(float(high - low), 1e-3)
    grey = 1 / (1 + np.exp(-steepness * (level - middle)))
    floor, roof = (1 / (1 + np.exp(-steepness * (edge - middle))) for edge in (-0.35, 1.4))
    shown = np.clip((grey - floor) / (roof - floor), 0, 1) * (0.97 * WHITE)
    return np.asarray(shown, np.uint16)[None]
