"""Metal and plastic on a film: pacemaker with leads, central venous line, endotracheal tube."""

import numpy as np

from radir_node.domain.phantom import FindingKind, PhantomCase
from radir_node.phantoms.radiograph_anatomy import Detector
from radir_node.phantoms.skeleton import Line
from radir_node.phantoms.thorax import SIDE_SIGN, Array, Thorax
from radir_node.phantoms.tubes import tubes

Corner = tuple[float, float]


def metal_thickness(at: Detector, case: PhantomCase, thorax: Thorax) -> Array:
    """Return the path in mm of dense metal that the case's devices add."""
    metal = np.zeros(at.shape, np.float32)
    for finding in case.findings:
        side = SIDE_SIGN.get(finding.side, 1.0)
        if finding.kind is FindingKind.PACEMAKER:
            metal += _pacemaker(at, thorax, side)
        elif finding.kind is FindingKind.CENTRAL_LINE:
            metal += 0.16 * at.project(tubes([_central_line(thorax)], at.pixel_mm / 2))
        elif finding.kind is FindingKind.TRACHEAL_TUBE:
            metal += _tracheal_tube(at, thorax)
    return metal


def _curve(corners: list[Corner], radius: float) -> Line:
    """Return a smooth line through corners (x, z) in the frontal plane."""
    points = np.array(corners, np.float32)
    at = np.linspace(0, len(points) - 1, 24 * len(points))
    flat = np.stack([np.interp(at, np.arange(len(points)), points[:, i]) for i in range(2)], axis=1)
    kernel = np.hanning(23) / np.hanning(23).sum()
    smooth = np.stack([np.convolve(np.pad(flat[:, i], 11, mode="edge"), kernel, "valid") for i in range(2)], axis=1)
    line = np.stack([smooth[:, 0], np.zeros(len(smooth)), smooth[:, 1]], axis=1)
    return line.astype(np.float32), np.full(len(line), radius, np.float32)


def _pacemaker(at: Detector, thorax: Thorax, side: float) -> Array:
    """Return a generator below the clavicle and two leads by the superior vena cava into the right heart."""
    a, h = thorax.half_width, thorax.height
    x0, z0 = side * 0.66 * a, 0.70 * h
    box = ((np.abs(at.x - x0) / 23) ** 4 + (np.abs(at.z - z0) / 20) ** 4) < 1
    can = 1.1 * box + 0.8 * (((np.abs(at.x - x0 - 3) / 15) ** 4 + (np.abs(at.z - z0 + 3) / 11) ** 4) < 1)
    cava = -0.17 * a
    way: list[Corner] = [(x0, z0 + 16), (side * 0.52 * a, 0.86 * h), (side * 0.22 * a, 0.88 * h), (cava, 0.76 * h)]
    width = thorax.cardiothoracic_ratio * 2 * a
    floor = 0.07 * h
    atrium = _curve([*way, (cava - 4, 0.52 * h), (cava - 2, 0.36 * h), (cava + 16, 0.40 * h)], 0.8)
    apex = _curve([*way, (cava - 2, 0.5 * h), (cava + 4, 0.26 * h), (0.16 * width, floor), (0.44 * width, floor)], 0.8)
    return np.asarray(can + 0.75 * at.project(tubes([atrium, apex], at.pixel_mm / 2)), np.float32)


def _central_line(thorax: Thorax) -> Line:
    """Return a catheter from the right side of the neck to the lower superior vena cava."""
    a, h = thorax.half_width, thorax.height
    return _curve(
        [(-44, h + 70), (-34, h + 20), (-0.19 * a, 0.86 * h), (-0.17 * a, 0.68 * h), (-0.16 * a, 0.50 * h)], 1.2
    )


def _tracheal_tube(at: Detector, thorax: Thorax) -> Array:
    """Return a tube in the trachea, its tip 4 cm above the carina, with the opaque line along one side."""
    x, _, z = thorax.carina
    tip, top = z + 40, thorax.height + 80
    wall = _curve([(x, top), (x, tip)], 5.0)
    line = _curve([(x + 3.4, top), (x + 3.4, tip)], 0.8)
    step = at.pixel_mm / 2
    return 0.035 * at.project(tubes([wall], step), hollow=0.75) + 0.35 * at.project(tubes([line], step))
