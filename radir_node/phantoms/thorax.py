"""One person's thorax as a few numbers and closed-form surfaces, shared by the radiograph and the CT of that person.

Patient axes in mm: x to the patient's left, y to the back, z up; z = 0 at the top of the right hemidiaphragm, x = 0
in the midline, y = 0 half way through the chest. Called by every other module of this package.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from radir_node.domain.phantom import FindingKind, PhantomCase

Array = NDArray[np.float32]

_DOME_POWER = 2.4
_APEX = 0.37
"""Where the top of the lung lies, as a share of the half width."""
SIDE_SIGN = {"right": -1.0, "left": 1.0}


@dataclass(frozen=True, slots=True)
class Ellipsoid:
    """A solid ellipsoid with any tilt: `form` is its quadratic form, so that d @ form @ d < 1 inside."""

    centre: tuple[float, float, float]
    form: NDArray[np.float64]

    def level(self, x: Array, y: Array, z: Array) -> Array:
        """Return the quadratic form at points (broadcast): below 1 inside, 1 on the surface."""
        q = self.form.astype(np.float32)
        dx, dy, dz = (axis - np.float32(c) for axis, c in zip((x, y, z), self.centre, strict=True))
        cross = 2 * (q[0, 1] * dx * dy + q[0, 2] * dx * dz + q[1, 2] * dy * dz)
        return np.asarray(q[0, 0] * dx * dx + q[1, 1] * dy * dy + q[2, 2] * dz * dz + cross, np.float32)

    def chord(self, x: Array, z: Array) -> Array:
        """Return the length in mm of the ray along y inside the ellipsoid, at detector points (x, z)."""
        q = self.form.astype(np.float32)
        dx, dz = x - np.float32(self.centre[0]), z - np.float32(self.centre[2])
        slope = q[0, 1] * dx + q[1, 2] * dz
        offset = q[0, 0] * dx * dx + 2 * q[0, 2] * dx * dz + q[2, 2] * dz * dz - 1
        root = np.sqrt(np.maximum(slope * slope - q[1, 1] * offset, 0))
        return np.asarray(2 * root / q[1, 1], np.float32)


def ellipsoid(
    centre: tuple[float, float, float],
    axes: tuple[float, float, float],
    tilt_down_left: float = 0.0,
    tilt_forward_left: float = 0.0,
) -> Ellipsoid:
    """Return an ellipsoid whose first axis points to the left, tilted down and forward by angles in radians."""
    cd, sd = np.cos(tilt_down_left), np.sin(tilt_down_left)
    cf, sf = np.cos(tilt_forward_left), np.sin(tilt_forward_left)
    down = np.array([[cd, 0, sd], [0, 1, 0], [-sd, 0, cd]])
    forward = np.array([[cf, sf, 0], [-sf, cf, 0], [0, 0, 1]])
    turn = forward @ down
    return Ellipsoid(centre, turn @ np.diag(1 / np.square(axes)) @ turn.T)


@dataclass(frozen=True, slots=True)
class Thorax:
    """Measures of one person, in mm."""

    half_width: float
    """Inside of the rib cage at the level of the diaphragm."""
    half_depth: float
    height: float
    """From the right dome to the apex of the lung."""
    wall: float
    """Chest wall from the inside of the ribs to the skin."""
    left_dome: float
    """Height of the left dome; the right one is at 0."""
    sulcus: float
    """Depth of the lateral costophrenic angle below the dome."""
    back_sulcus: float
    cardiothoracic_ratio: float
    heart_tilt: float
    knob: float
    """Radius of the aortic arch; unfolds with age."""
    spine_bend: float
    marrow: float
    """HU of the vertebrae's spongy bone; falls with age."""
    lung: float
    """HU of the lung half way between front and back."""
    female: bool

    def outline(self, z: Array) -> tuple[Array, Array]:
        """Return half width and half depth of the inside of the rib cage at heights z (0 above the apex)."""
        u = np.clip(z / self.height, 0, 1)
        below = np.clip(-z, 0, None)
        taper = _APEX + (1 - _APEX) * np.clip((1 - u) / 0.72, 0, 1) ** 0.42
        width = self.half_width * taper * (1 - 0.0005 * below)
        depth = self.half_depth * np.sqrt(1 - 0.96 * u**3.0) * np.where(z < self.height, 1, 0)
        return np.asarray(width, np.float32), np.asarray(depth, np.float32)

    def dome_top(self, x: Array) -> Array:
        """Return the height of the diaphragm's ridge at x."""
        centre = 0.50 * self.half_width
        offset = np.abs(x) - centre
        lateral = self.sulcus * np.clip(offset / (self.half_width - centre), 0, 1.2) ** 3.0
        medial = 13 * np.clip(-offset / centre, 0, 1) ** 2
        return np.asarray(np.where(x > 0, self.left_dome, 0) - lateral - medial, np.float32)

    def dome(self, x: Array, y: Array) -> Array:
        """Return the height of the diaphragm at (x, y): it falls to the back and, less, to the front."""
        back, front = self.dome_reach()
        offset = y - np.float32(self.dome_ridge_y)
        reach = np.where(offset > 0, back, front) * np.abs(offset / self.half_depth) ** _DOME_POWER
        return np.asarray(self.dome_top(x) - reach, np.float32)

    def dome_chord(self, x: Array, z: Array) -> Array:
        """Return the length in mm of the ray along y that lies below the diaphragm."""
        below = np.maximum(self.dome_top(x) - z, 0) ** (1 / _DOME_POWER)
        back, front = self.dome_reach()
        reach = back ** (-1 / _DOME_POWER) + front ** (-1 / _DOME_POWER)
        return np.asarray(self.half_depth * below * reach, np.float32)

    def dome_reach(self) -> tuple[float, float]:
        return self.back_sulcus, 0.35 * self.back_sulcus

    @property
    def dome_ridge_y(self) -> float:
        return -0.22 * self.half_depth

    def core_half_width(self, z: Array) -> Array:
        """Return the half width of the mediastinum between the lungs, heart and arch not counted."""
        u = z / self.height
        cap = _APEX - 0.22 * np.sqrt(np.clip((1 - u) / 0.14, 0, 1))
        base = 0.04 * np.clip((0.40 - u) / 0.40, 0, 1)
        root = 0.02 * np.exp(-(((u - 0.50) / 0.10) ** 2))
        return np.asarray(self.half_width * np.maximum(0.175 + base + root, cap), np.float32)

    @property
    def carina(self) -> tuple[float, float, float]:
        return (-3.0, 0.10 * self.half_depth, 0.60 * self.height)

    @property
    def spine_y(self) -> float:
        """Middle of the vertebral bodies."""
        return 0.62 * self.half_depth

    def spine_x(self, z: Array) -> Array:
        return np.asarray(self.spine_bend * np.sin(z / self.height * np.pi * 1.1), np.float32)

    def hilum(self, side: str) -> tuple[float, float, float]:
        """Return the root of the lung's vessels; the left hilum is the higher one."""
        lift = 0.05 if side == "left" else 0.0
        return (SIDE_SIGN[side] * 0.25 * self.half_width, 0.06 * self.half_depth, (0.47 + lift) * self.height)

    def heart(self) -> tuple[Ellipsoid, ...]:
        """Return ventricles, right atrium and outflow tract as tilted ellipsoids."""
        width = self.cardiothoracic_ratio * 2 * self.half_width
        tilt, y = self.heart_tilt, -0.25 * self.half_depth
        long_axis, short_axis = 0.52 * width, 0.35 * width
        reach = float(np.hypot(long_axis * np.sin(tilt), short_axis * np.cos(tilt)))
        z = reach - 0.17 * width
        depth = min(0.36 * width, 0.56 * self.half_depth)
        return (
            ellipsoid((0.215 * width, y, z), (long_axis, depth, short_axis), tilt, 0.35),
            ellipsoid((-0.04 * width, y + 8, z + 6), (0.275 * width, 0.9 * depth, 0.36 * width)),
            ellipsoid((0.13 * width, y, z + 0.34 * width), (0.20 * width, 0.6 * depth, 0.30 * width)),
        )

    def arch(self) -> Ellipsoid:
        """Return the aortic arch as it bulges into the left lung."""
        return ellipsoid(
            (self.knob + 3, 0.12 * self.half_depth, 0.71 * self.height), (1.15 * self.knob, 38, 1.35 * self.knob)
        )


def thorax_of(case: PhantomCase) -> Thorax:
    """Return the thorax of the case's patient, heart and diaphragm shaped by the case's findings."""
    rng = np.random.default_rng([case.archive_seed, case.patient, 1])
    female = case.sex == "F"
    size = rng.normal(0.92 if female else 1.0, 0.035)
    old = np.clip((case.age_years - 40) / 45, 0, 1)
    ratio = float(rng.uniform(0.415, 0.475))
    tilt = float(rng.uniform(0.55, 0.80))
    thorax = {
        "half_width": float(136 * size * rng.normal(1, 0.02)),
        "half_depth": float(92 * size * rng.normal(1, 0.05)),
        "height": float(206 * size * rng.normal(1, 0.04)),
        "wall": float(np.clip(rng.normal(30, 6), 20, 42)),
        "left_dome": float(-rng.uniform(6, 16)),
        "sulcus": float(rng.uniform(40, 52)),
        "back_sulcus": float(rng.uniform(52, 72)),
        "knob": float(13 + 4.5 * old + rng.uniform(-1, 1)),
        "spine_bend": float(rng.normal(0, 2.5)),
        "marrow": float(np.clip(rng.normal(265 - 1.75 * case.age_years, 22), 70, 280)),
        "lung": float(rng.normal(-858, 11)),
    }
    for finding in case.findings:
        if finding.kind is FindingKind.CARDIOMEGALY:
            ratio, tilt = 0.54 + 0.10 * finding.severity, tilt - 0.12
        if finding.kind is FindingKind.EMPHYSEMA:
            ratio, tilt = ratio - 0.045 * finding.severity, tilt + 0.08
            thorax["height"] *= 1 + 0.07 * finding.severity
            thorax["sulcus"] *= 1 - 0.55 * finding.severity
            thorax["back_sulcus"] *= 1 - 0.30 * finding.severity
    return Thorax(cardiothoracic_ratio=ratio, heart_tilt=tilt, female=female, **thorax)
