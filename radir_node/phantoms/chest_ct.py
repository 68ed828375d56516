"""Draws a chest CT of a case in Hounsfield units. Called by radir_node.phantoms.archive."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radir_node.domain.phantom import PhantomCase
from radir_node.phantoms import ct_anatomy as anatomy
from radir_node.phantoms.ct_findings import place_findings
from radir_node.phantoms.label import burn_synthetic
from radir_node.phantoms.texture import clouds_3d
from radir_node.phantoms.thorax import Array, Thorax, thorax_of

SIZE = 256
SLICE_MM = 6.5
_LABEL_HU = 1200


def draw(case: PhantomCase) -> tuple[NDArray[np.int16], tuple[float, float, float]]:
    """Return the volume, int16 HU [slices, rows, columns] from below upwards, and its spacing (z, y, x) in mm."""
    thorax = thorax_of(case)
    rng = np.random.default_rng([case.archive_seed, case.patient, 6])
    grid = anatomy.grid_for(thorax, SIZE, SLICE_MM)
    lungs = anatomy.lung_mask(thorax, grid)
    hu = anatomy.tissue(thorax, grid)
    hu[lungs] = thorax.lung
    anatomy.lay_mediastinum(hu, thorax, grid, lungs)
    anatomy.lay_bone(hu, thorax, grid, rng)
    parenchyma = _parenchyma(grid, rng)
    hu += np.where(lungs, parenchyma + 110 * anatomy.fissures(thorax, grid), 0)
    vessels = anatomy.vessels(thorax, grid, rng)
    hu += np.minimum(1.4 * vessels, 1) * (anatomy.BLOOD - hu) * lungs
    lumen, wall = anatomy.airways(thorax, grid)
    hu += (wall * (20 - hu)) * (lungs | (wall > 0.3))
    hu = place_findings(hu, lungs, case, thorax, grid)
    hu += np.minimum(1.3 * lumen, 1) * (anatomy.AIR - hu)
    _lay_couch(hu, thorax, grid)
    return _reconstructed(hu, case), grid.spacing


def _parenchyma(grid: anatomy.Grid, rng: np.random.Generator) -> Array:
    """Return what lung adds to its mean HU: density that falls away from the couch, and patchy grain."""
    grain = clouds_3d(grid.shape, (2, 6), rng)
    return np.asarray(16 * grain + 0.28 * grid.y, np.float32)


def _lay_couch(hu: Array, thorax: Thorax, grid: anatomy.Grid) -> None:
    """Lay the carbon couch under the back, in place."""
    top = thorax.half_depth + 0.85 * thorax.wall + 10 - 0.0011 * grid.x**2
    sheet = (np.abs(grid.y - top) < 1.2) | (np.abs(grid.y - top - 12) < 1.2)
    hu[np.broadcast_to(sheet, grid.shape) & (hu < -900)] = -340


def _reconstructed(hu: Array, case: PhantomCase) -> NDArray[np.int16]:
    """Return the volume as a scanner gives it: blurred in plane, quantum noise, 12-bit range, the label burnt in."""
    rng = np.random.default_rng([case.archive_seed, case.number, 7])
    smooth = gaussian_filter(hu, (0, 0.62, 0.62))
    noise = rng.standard_normal(hu.shape, dtype=np.float32)
    smooth += 11 * (noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=2))
    volume: NDArray[np.int16] = np.clip(np.rint(smooth), -1024, 3071).astype(np.int16)
    for picture in volume:
        burn_synthetic(picture, _LABEL_HU)
    return volume
