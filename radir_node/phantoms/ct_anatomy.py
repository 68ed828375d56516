"""Organs of one person's thorax as masks and HU on the CT grid. Called by chest_ct.

The arms are up, so the shoulders are muscle beside the apices; the patient lies on the back, so fluid and density
gather at high y.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radir_node.phantoms import skeleton
from radir_node.phantoms.thorax import SIDE_SIGN, Array, Thorax
from radir_node.phantoms.tubes import Tubes, tubes, voxelise
from radir_node.phantoms.vessels import aorta, bronchi, trachea, vessel_tree

Mask = NDArray[np.bool_]

AIR, FAT, WATER, MUSCLE, BLOOD, LIVER = -1000.0, -95.0, 5.0, 52.0, 42.0, 58.0


@dataclass(frozen=True, slots=True)
class Grid:
    """Voxel middles in patient mm, broadcastable: z [slices, 1, 1], y [1, rows, 1], x [1, 1, columns]."""

    z: Array
    y: Array
    x: Array
    spacing: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.z.shape[0], self.y.shape[1], self.x.shape[2])

    def voxelise(self, cloud: Tubes, flatten: float = 1.0) -> Array:
        origin = (float(self.z[0, 0, 0]), float(self.y[0, 0, 0]), float(self.x[0, 0, 0]))
        return voxelise(cloud, self.shape, origin, self.spacing, flatten)


def grid_for(thorax: Thorax, size: int, slice_mm: float) -> Grid:
    """Return a grid of size x size pixels from above the apex to below the deepest recess of the lung."""
    field = 2 * (thorax.half_width + thorax.wall) + 36
    pixel = round(field / size, 3)
    low, high = -thorax.back_sulcus - 14, thorax.height + 22
    z = low + slice_mm * np.arange(int((high - low) / slice_mm) + 1)
    across = (np.arange(size) - (size - 1) / 2) * pixel
    return Grid(
        z.astype(np.float32)[:, None, None],
        (across + 10).astype(np.float32)[None, :, None],
        across.astype(np.float32)[None, None, :],
        (slice_mm, pixel, pixel),
    )


def body_level(thorax: Thorax, grid: Grid) -> Array:
    """Return a level that is below 1 inside the skin, shoulders narrowing and flattening towards the neck."""
    h = thorax.height
    width = thorax.half_width + thorax.wall + 6 * np.exp(-(((grid.z - 0.8 * h) / (0.2 * h)) ** 2))
    depth = (thorax.half_depth + 0.85 * thorax.wall) * np.interp(grid.z, [0.6 * h, 1.1 * h], [1.0, 0.80])
    front = np.abs(grid.x) / width
    back_flat = (np.abs(grid.y - 4) / depth) ** 2.5
    return np.asarray(front**2.5 + back_flat, np.float32)


def cavity_level(thorax: Thorax, grid: Grid, outset: float = 0.0) -> Array:
    """Return a level that is below 1 inside the rib cage grown by outset mm, spine side flattened."""
    width, depth = thorax.outline(np.minimum(grid.z, thorax.height * 0.995))
    width, depth = np.maximum(width + outset, 1), np.maximum(depth + outset, 1)
    return np.asarray((np.abs(grid.x) / width) ** 2.2 + (np.abs(grid.y) / depth) ** 2.2, np.float32)


def lung_mask(thorax: Thorax, grid: Grid) -> Mask:
    """Return both lungs: the cavity above the diaphragm, without mediastinum, heart and spine."""
    x, y, z = grid.x, grid.y, grid.z
    mask = (cavity_level(thorax, grid) < 1) & (z < thorax.height) & (z > thorax.dome(x, y))
    core = (x / thorax.core_half_width(z)) ** 2 + ((y - 5) / (0.70 * thorax.half_depth)) ** 2
    mask &= (core > 1) & (np.abs(x) > 5 + 2 * np.clip(-y / thorax.half_depth, 0, 1))
    mask &= np.hypot(x - thorax.spine_x(z), y - thorax.spine_y) > 23
    mask &= (np.abs(x) > 17) | (y < thorax.spine_y)
    for part in thorax.heart():
        mask &= part.level(x, y, z) > 1.10
    return mask


def tissue(thorax: Thorax, grid: Grid) -> Array:
    """Return HU of everything but lungs, airways and bone: air, skin, fat, muscle, mediastinum, abdomen."""
    body, wall = body_level(thorax, grid), cavity_level(thorax, grid, 9 + 0.12 * thorax.wall)
    inner = cavity_level(thorax, grid, 0)
    hu = np.where(body < 1, np.where(body < 0.955, FAT, 10.0), AIR).astype(np.float32)
    muscle = (wall < 1) | _shoulder_muscle(thorax, grid) | _back_muscle(thorax, grid)
    hu[muscle & (body < 0.93)] = MUSCLE
    hu[(inner < 1) & (body < 0.93)] = FAT
    _lay_abdomen(hu, thorax, grid, inner)
    return hu


def _shoulder_muscle(thorax: Thorax, grid: Grid) -> Mask:
    h, a = thorax.height, thorax.half_width
    x, y, z = np.abs(grid.x), grid.y, grid.z
    girdle = ((x - 0.86 * a) / (0.36 * a)) ** 2 + ((y - 26) / 44) ** 2 + ((z - 0.98 * h) / (0.42 * h)) ** 2
    pectoral = ((x - 0.56 * a) / (0.50 * a)) ** 2 + ((y + thorax.half_depth + 4) / 17) ** 2
    pectoral = pectoral + ((z - 0.72 * h) / (0.36 * h)) ** 2
    neck = (grid.x / (0.42 * a)) ** 2 + ((y - 25) / 50) ** 2 + ((z - 1.12 * h) / (0.30 * h)) ** 2
    return np.asarray((girdle < 1) | (pectoral < 1) | (neck < 1))


def _back_muscle(thorax: Thorax, grid: Grid) -> Mask:
    x, y = np.abs(grid.x), grid.y
    erector = ((x - 26) / 25) ** 2 + ((y - thorax.spine_y - 38) / 17) ** 2
    return np.asarray(np.broadcast_to(erector < 1, grid.shape))


def _lay_abdomen(hu: Array, thorax: Thorax, grid: Grid, inner: Array) -> None:
    """Lay diaphragm, liver, spleen and stomach with its gas below the domes, in place."""
    x, y, z = grid.x, grid.y, grid.z
    dome = thorax.dome(x, y)
    below = (inner < 1) & (z < dome)
    hu[below] = FAT
    hu[below & (z > dome - 5)] = MUSCLE
    liver = below & (z < dome - 3) & (x < 12 - 0.25 * (z + 20)) & (inner < 0.97)
    hu[liver] = LIVER
    a = thorax.half_width
    spleen = ((x - 0.68 * a) / (0.24 * a)) ** 2 + ((y - 0.42 * thorax.half_depth) / 34) ** 2 + ((z + 62) / 42) ** 2
    hu[below & (spleen < 1)] = 50
    stomach = ((x - 0.42 * a) / (0.30 * a)) ** 2 + ((y + 14) / 42) ** 2 + ((z - thorax.left_dome + 42) / 33) ** 2
    hu[below & (stomach < 1)] = 30
    hu[below & (stomach < 0.8) & (y < -30)] = AIR


def lay_mediastinum(hu: Array, thorax: Thorax, grid: Grid, lungs: Mask) -> None:
    """Lay heart, great vessels and oesophagus into the mediastinal fat, in place."""
    x, y, z = grid.x, grid.y, grid.z
    above = z > thorax.dome(x, y) - 12
    levels = [part.level(x, y, z) for part in thorax.heart()]
    hu[(np.minimum.reduce(levels) < 1) & above] = BLOOD
    groove = (np.abs(levels[0] - levels[1]) < 0.10) & (np.minimum(levels[0], levels[1]) > 0.72)
    hu[groove & (np.minimum(levels[0], levels[1]) < 1) & above] = FAT + 20
    great = [
        aorta(thorax),
        _cava(thorax),
        _pulmonary_trunk(thorax),
        *_pulmonary_arteries(thorax),
        *_neck_vessels(thorax),
    ]
    filled = grid.voxelise(tubes(great, 1.0))
    hu += np.minimum(1.2 * filled, 1) * (BLOOD - hu)
    gullet = np.array([[4, thorax.carina[1] + 22, h] for h in (thorax.height + 60, -80)], np.float32)
    filled = grid.voxelise(tubes([(gullet, np.full(2, 7.0, np.float32))], 1.0))
    hu += filled * (36 - hu)
    lungs &= hu < -200


def fissures(thorax: Thorax, grid: Grid) -> Array:
    """Return how much (0 to 1) of each voxel shows a fissure: the oblique ones, and faintly the horizontal one."""
    slope = grid.y + 0.62 * (grid.z - 0.42 * thorax.height) - 0.004 * (np.abs(grid.x) - 70) ** 2
    oblique = np.abs(slope) < 1.1
    horizontal = (np.abs(grid.z - 0.44 * thorax.height + 0.1 * grid.x) < 1.6) & (slope < 0) & (grid.x < 0)
    return np.asarray(np.maximum(oblique, 0.25 * horizontal), np.float32)


def _cava(thorax: Thorax) -> skeleton.Line:
    a, h = thorax.half_width, thorax.height
    points = np.array([[-0.17 * a, -14, z * h] for z in (0.86, 0.45)], np.float32)
    return points, np.full(2, 9.5, np.float32)


def _pulmonary_trunk(thorax: Thorax) -> skeleton.Line:
    a, h = thorax.half_width, thorax.height
    points = np.array([[14, -34, 0.42 * h], [0.15 * a, -24, 0.50 * h], [0.12 * a, -6, 0.55 * h]], np.float32)
    return points, np.array([13, 13, 12], np.float32)


def _pulmonary_arteries(thorax: Thorax) -> list[skeleton.Line]:
    h, a = thorax.height, thorax.half_width
    fork = [0.12 * a, -6, 0.55 * h]
    right = np.array([fork, [-8, -4, 0.53 * h], list(thorax.hilum("right"))], np.float32)
    left = np.array([fork, [0.20 * a, 12, 0.56 * h], list(thorax.hilum("left"))], np.float32)
    return [(right, np.array([10.5, 10, 7.0], np.float32)), (left, np.array([10.5, 10, 7.0], np.float32))]


def _neck_vessels(thorax: Thorax) -> list[skeleton.Line]:
    h = thorax.height
    pairs = [
        ((-8, -12), (-26, -4), 6.0),
        ((4, -4), (18, 2), 4.0),
        ((15, 6), (32, 12), 4.5),
        ((-22, -18), (-34, -16), 6.5),
    ]
    return [
        (np.array([[*low, 0.73 * h], [*high, h + 30]], np.float32), np.full(2, radius, np.float32))
        for low, high, radius in pairs
    ]


def lay_bone(hu: Array, thorax: Thorax, grid: Grid, rng: np.random.Generator) -> None:
    """Lay ribs, clavicles, scapulae, sternum and spine, in place."""
    ribs = grid.voxelise(tubes(skeleton.ribs(thorax, rng), 1.2), skeleton.RIB_FLATTEN)
    rest = skeleton.clavicles(thorax, rng)
    for girdle in skeleton.shoulders(thorax):
        rest += [*girdle.edges, *skeleton.blade_lines(girdle)]
    bone = np.maximum(ribs, grid.voxelise(tubes(rest, 1.2)))
    hu += bone * (430 - hu) * (hu > -700)
    x, y, z = grid.x - thorax.spine_x(grid.z), grid.y - thorax.spine_y, grid.z
    pitch = thorax.height / 9.3
    disc = np.abs((z - thorax.height - 16) / pitch % 1 - 0.5) > 0.42
    body = (x / 17.5) ** 2 + (y / 14.0) ** 2
    canal = (x / 9) ** 2 + ((y - 22) / 8) ** 2
    arch = (((x / 15) ** 2 + ((y - 22) / 14) ** 2) < 1) & (canal > 1)
    process = (np.abs(x) < 3) & (y > 30) & (y < 52)
    transverse = (np.abs(x) < 32) & (np.abs(y - 22 - 0.18 * np.abs(x)) < 4) & (canal > 1)
    shape = grid.shape
    hu[np.broadcast_to(arch | process | transverse, shape) & ~disc] = 150 + thorax.marrow
    hu[np.broadcast_to((body < 1), shape)] = thorax.marrow
    hu[np.broadcast_to((body < 1) & (body > 0.80), shape) & ~disc] = 420
    hu[np.broadcast_to(body < 1, shape) & disc] = 85
    hu[np.broadcast_to(canal < 1, shape)] = 25
    _lay_sternum(hu, thorax, grid)


def _lay_sternum(hu: Array, thorax: Thorax, grid: Grid) -> None:
    _, depth = thorax.outline(np.minimum(grid.z, 0.9 * thorax.height))
    level = (grid.x / 19) ** 2 + ((grid.y + depth + 5) / 6.0) ** 2
    extent = (grid.z < 0.86 * thorax.height) & (grid.z > 0.12 * thorax.height)
    hu[(level < 1) & extent] = 170
    hu[(level < 1) & (level > 0.62) & extent] = 360


def airways(thorax: Thorax, grid: Grid) -> tuple[Array, Array]:
    """Return the share of each voxel in the lumen of the airways, and in lumen plus wall."""
    lines = [trachea(thorax), *bronchi(thorax)]
    walls = [(points, radii * 1.10 + 0.9) for points, radii in lines]
    return grid.voxelise(tubes(lines, 0.9)), grid.voxelise(tubes(walls, 0.9))


def vessels(thorax: Thorax, grid: Grid, rng: np.random.Generator) -> Array:
    """Return the share of each voxel in the vessels of both lungs."""
    filled = sum((grid.voxelise(vessel_tree(thorax, side, rng)) for side in SIDE_SIGN), start=np.zeros(1, np.float32))
    return np.minimum(filled, 1)
