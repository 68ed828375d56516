"""A drawn chest CT whose lungs are known exactly: shapes in millimetres, sampled at any spacing."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from radir_node.domain.embedding import Encoded
from radir_node.domain.study import CtVolume
from radir_node.encoders.ct.encoder import CtEncoder
from radir_node.encoders.models import model_version, network_path
from radir_node.encoders.onnx import OnnxRuntime

Point = tuple[float, float, float]
"""Millimetres (z up, y back, x left) from the centre of the chest."""

HEIGHT, DEPTH, WIDTH = 290.0, 240.0, 360.0
DOME_MM = {"right": -55.0, "left": -70.0}
"""Height of each half of the diaphragm; it falls away to the sides and backwards."""


@dataclass(frozen=True)
class Drawing:
    """What to draw, and how to sample it."""

    spacing: Point = (2.5, 1.6, 1.6)
    noise_hu: float = 20.0
    lung_hu: float = -850.0
    blobs: tuple[tuple[Point, Point, float], ...] = ()
    """(centre, semi-axes, HU) of lesions inside the lungs."""
    holes: tuple[tuple[Point, float], ...] = ()
    """(centre, radius) of regions riddled with 8 mm bullae."""
    fluid_right_mm: float = 0.0
    """Depth of fluid behind the right lung."""
    heart_scale: float = 1.0
    joined: bool = False
    """Whether the lungs touch behind the sternum."""
    without_lungs: bool = False


@dataclass(frozen=True)
class Phantom:
    volume: CtVolume
    lung_ml: dict[str, float] = field(default_factory=dict)


def draw(drawing: Drawing) -> Phantom:
    """Sample finely along z, then average into slices, as a scanner does."""
    fine = 1.25
    per_slice = max(1, round(drawing.spacing[0] / fine))
    z, y, x = _axes(fine, per_slice, drawing.spacing)
    hu, lungs = _paint(drawing, z, y, x)
    slices = hu.reshape(-1, per_slice, *hu.shape[1:]).mean(axis=1)
    slices += np.random.default_rng(7).normal(0.0, drawing.noise_hu, slices.shape).astype(np.float32)
    voxel_ml = fine * drawing.spacing[1] * drawing.spacing[2] / 1000.0
    spacing = (fine * per_slice, *drawing.spacing[1:])
    volume = CtVolume("1.2.826.0.1.3680043.10.1", np.round(slices).astype(np.int16), spacing)
    return Phantom(volume, {side: float(lung.sum()) * voxel_ml for side, lung in lungs.items()})


def _axes(fine: float, per_slice: int, spacing: Point) -> tuple[NDArray[np.float32], ...]:
    counts = (round(HEIGHT / fine / per_slice) * per_slice, round(DEPTH / spacing[1]), round(WIDTH / spacing[2]))
    steps = (fine, spacing[1], spacing[2])
    centred = [((np.arange(n) - (n - 1) / 2) * s).astype(np.float32) for n, s in zip(counts, steps, strict=True)]
    return centred[0][:, None, None], centred[1][None, :, None], centred[2][None, None, :]


def _paint(drawing: Drawing, z: NDArray, y: NDArray, x: NDArray) -> tuple[NDArray[np.float32], dict[str, NDArray]]:
    def ball(centre: Point, axes: Point) -> NDArray[np.bool_]:
        (cz, cy, cx), (az, ay, ax) = centre, axes
        return ((z - cz) / az) ** 2 + ((y - cy) / ay) ** 2 + ((x - cx) / ax) ** 2 < 1.0

    hu = np.full(np.broadcast_shapes(z.shape, y.shape, x.shape), -1000.0, np.float32)
    skin = np.broadcast_to((y / 112.0) ** 2 + (x / 172.0) ** 2, hu.shape)
    hu[skin < 1.0] = -90.0
    hu[skin < 0.88] = 45.0
    narrowing = np.sqrt(np.clip(1.0 - (np.maximum(z + 40.0, 0.0) / 170.0) ** 2, 0.01, 1.0))
    cage = ((y / 92.0) ** 2 + (x / 146.0) ** 2) / narrowing**2
    hu[(cage > 1.0) & (cage < 1.12) & (np.mod(z + 0.15 * np.abs(x), 25.0) < 11.0) & (np.abs(z) < 125.0)] = 350.0
    heart = ball((-40.0, -35.0, 18.0), tuple(drawing.heart_scale * a for a in (50.0, 42.0, 55.0)))
    lungs = {}
    for side, sign in (("right", -1.0), ("left", 1.0)):
        slope = ((sign * x - 80.0) / 60.0) ** 2 + ((y + 15.0) / 90.0) ** 2
        above = z > DOME_MM[side] - 55.0 * slope
        lungs[side] = (cage < 0.93) & (sign * x > 26.0 + 0.1 * y) & above & ~heart
    if drawing.joined:
        lungs["left"] |= ball((35.0, -60.0, 10.0), (30.0, 5.0, 34.0)) & ~lungs["right"]
    wall = -88.0 * narrowing * np.sqrt(np.maximum(0.0, 1.0 - (x / (141.0 * narrowing)) ** 2))
    fluid = lungs["right"] & (y > -wall - drawing.fluid_right_mm) & (z < -10.0) & (drawing.fluid_right_mm > 0)
    if not drawing.without_lungs:
        for lung in lungs.values():
            hu[lung] = drawing.lung_hu
    inside = lungs["right"] | lungs["left"]
    for centre, axes, density in drawing.blobs:
        hu[ball(centre, axes) & inside] = density
    for centre, radius in drawing.holes:
        riddled = (np.mod(z, 12.0) < 8.0) & (np.mod(y, 12.0) < 8.0) & (np.mod(x, 12.0) < 8.0)
        hu[ball(centre, (radius, radius, radius)) & riddled & inside] = -995.0
    hu[fluid] = 8.0
    _paint_midline(hu, z, y, x)
    return hu, lungs


def _paint_midline(hu: NDArray[np.float32], z: NDArray, y: NDArray, x: NDArray) -> None:
    """Spine, trachea and two main bronchi with walls."""
    vertebra = ((y - 78.0) / 15.0) ** 2 + (x / 20.0) ** 2
    hu[np.broadcast_to(vertebra < 1.0, hu.shape)] = 400.0
    hu[np.broadcast_to(vertebra < 0.75, hu.shape)] = 170.0
    for wall, value in ((2.5, 45.0), (0.0, -1000.0)):
        tube = (((y - 10.0) ** 2 + x**2) < (9.0 + wall) ** 2) & (z > 30.0)
        for side in (-1.0, 1.0):
            along = side * x
            axis = (30.0 - z) - 0.9 * along
            tube |= (axis**2 / 1.8 + (y - 10.0) ** 2 < (6.0 + wall) ** 2) & (along > -4.0) & (along < 34.0)
        hu[tube & (hu > -1001.0)] = value


@pytest.fixture(scope="session")
def phantom() -> Callable[..., Phantom]:
    """Draw a chest: phantom(blobs=..., spacing=...) with the fields of Drawing."""

    def make(**changes: object) -> Phantom:
        return draw(replace(Drawing(), **changes))

    return make


@pytest.fixture(scope="session")
def encoder(repository) -> CtEncoder:
    """The installed network in process."""
    folder = repository / "triton_models" / "ct_densitometry"
    return CtEncoder(OnnxRuntime(network_path(folder)), model_version(folder))


@pytest.fixture(scope="session")
def healthy(phantom, encoder) -> Encoded:
    """The phantom without any finding, encoded once."""
    return encoder.encode(phantom().volume)
