"""Bones of the thorax as centre lines in space: ribs, clavicles, shoulder girdle. Called by both renderers."""

from dataclasses import dataclass

import numpy as np

from radir_node.phantoms.thorax import SIDE_SIGN, Array, Thorax
from radir_node.phantoms.tubes import Points

Line = tuple[Points, Points]
"""Centre line [n, 3] and radii [n], in mm."""

RIB_RADIUS = 6.4
RIB_FLATTEN = 0.5
_LAST_RIB = 11


def ribs(thorax: Thorax, rng: np.random.Generator) -> list[Line]:
    """Return ribs 1 to 11 of both sides, from the spine to the costochondral junction."""
    spacing = thorax.height / 9.3
    lines = []
    for number in range(1, _LAST_RIB + 1):
        drop = float(np.interp(number, [1, 3, 6, 9, 11], [22, 58, 92, 96, 70])) * rng.normal(1, 0.03)
        for sign in SIDE_SIGN.values():
            head = thorax.height + 10 - spacing * (number - 1) + rng.normal(0, 1.2)
            lines.append(_rib(thorax, number, sign, head, drop))
    return lines


def _rib(thorax: Thorax, number: int, sign: float, head: float, drop: float) -> Line:
    """Return one rib: it leaves the spine a little upwards, then falls along the wall to the front."""
    lateral = np.array([min(head - 0.42 * drop, 0.985 * thorax.height)], np.float32)
    inner_width, inner_depth = (float(half[0]) for half in thorax.outline(lateral))
    width, depth = max(inner_width + 5, 0.34 * thorax.half_width), max(inner_depth + 5, 0.44 * thorax.half_depth)
    start = np.arcsin(min(17 / width, 0.9))
    end = np.radians(np.interp(number, [1, 2, 6, 8, 11], [158, 152, 146, 132, 82]))
    turn = np.linspace(start, end, 60)
    s = (turn - start) / (end - start)
    span = float(np.radians(150) - start) / (end - start)
    fall = drop * (0.30 * s / span + 0.70 * np.clip((s / span - 0.06) / 0.94, 0, None) ** 1.55)
    rise = 5 * np.sin(np.pi * np.clip(s * span / 0.3, 0, 1))
    back = np.clip(1 - s / 0.12, 0, 1) ** 2 * 0.16 * depth
    x = sign * width * np.sin(turn)
    points = np.stack([x, depth * np.cos(turn) - back, head - fall + rise], axis=1)
    radii = RIB_RADIUS * np.interp(s, [0, 0.12, 0.6, 0.96, 1], [0.7, 0.9, 1, 1.1, 0.8])
    return points.astype(np.float32), radii.astype(np.float32)


def clavicles(thorax: Thorax, rng: np.random.Generator) -> list[Line]:
    """Return both clavicles, S-shaped from the manubrium to the shoulder."""
    lines = []
    for sign in SIDE_SIGN.values():
        s = np.linspace(0, 1, 40)
        reach = thorax.half_width + 26
        x = sign * (15 + (reach - 15) * s)
        z = 0.79 * thorax.height + 20 * s**0.8 + 6 * np.sin(2 * np.pi * s) + rng.normal(0, 3)
        y = -0.62 * thorax.half_depth + 60 * s
        radii = np.interp(s, [0, 0.03, 0.08, 0.2, 0.5, 0.85, 0.97, 1], [5, 9, 9.5, 7, 5.6, 6.6, 6.5, 3])
        lines.append((np.stack([x, y, z], axis=1).astype(np.float32), radii.astype(np.float32)))
    return lines


@dataclass(frozen=True, slots=True)
class Shoulder:
    """One shoulder girdle: outlines are tubes, the blade a polygon in the frontal plane, the head a sphere."""

    edges: tuple[Line, ...]
    blade: Points
    """Corners [4, 3]: glenoid, inferior angle, medial border, superior angle."""
    head: tuple[float, float, float]
    head_radius: float
    shaft: Line


def shoulders(thorax: Thorax) -> list[Shoulder]:
    """Return scapula and upper humerus of both sides, the arms down and rolled forward as for a PA film."""
    return [_shoulder(thorax, sign) for sign in SIDE_SIGN.values()]


def _shoulder(thorax: Thorax, sign: float) -> Shoulder:
    a, h = thorax.half_width, thorax.height
    glenoid = (sign * (a + 20), 20.0, 0.83 * h)
    inferior = (sign * (a - 4), 60.0, 0.38 * h)
    superior = (sign * (a - 34), 55.0, 0.93 * h)
    acromion = (sign * (a + 34), 20.0, 0.945 * h)
    head = (sign * (a + 50), 10.0, 0.82 * h)
    edges = (
        _line([glenoid, (sign * (a + 11), 45, 0.62 * h), inferior], 3.4),
        _line([superior, (sign * (a - 22), 62, 0.70 * h), inferior], 1.6),
        _line([(sign * (a - 28), 60, 0.80 * h), (sign * (a + 6), 50, 0.88 * h), acromion], 4.2),
    )
    blade = np.array([glenoid, inferior, (sign * (a - 22), 62, 0.70 * h), superior], np.float32)
    elbow = (sign * (a + 78), 10.0, 0.05 * h)
    return Shoulder(edges, blade, head, 23.0, _line([(sign * (a + 53), 10, 0.76 * h), elbow], 11))


def blade_lines(girdle: Shoulder) -> list[Line]:
    """Return the flat of the scapula as rods side by side, from its lateral to its medial border."""
    glenoid, inferior, medial, superior = girdle.blade
    t = np.linspace(0, 1, 40)[:, None]
    lateral = inferior + t * (glenoid - inferior)
    inner = np.where(t < 0.5, inferior + 2 * t * (medial - inferior), medial + (2 * t - 1) * (superior - medial))
    return [
        (np.stack([a, b]).astype(np.float32), np.full(2, 2.4, np.float32)) for a, b in zip(lateral, inner, strict=True)
    ]


def _line(corners: list[tuple[float, float, float]], radius: float) -> Line:
    """Return a smooth curve through the corners (quadratic when there are three)."""
    points = np.array(corners, np.float32)
    if len(points) == 3:
        t = np.linspace(0, 1, 24)[:, None]
        middle = 2 * points[1] - (points[0] + points[2]) / 2
        points = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * middle + t**2 * points[2]
    return points.astype(np.float32), np.full(len(points), radius, np.float32)


def spine_profile(thorax: Thorax, x: Array, z: Array) -> Array:
    """Return the bone of the vertebral column along y in mm of dense bone: bodies, end plates, pedicles, processes."""
    pitch = thorax.height / 9.3
    offset = x - thorax.spine_x(z)
    level = (z - thorax.height - 16) / pitch
    phase = level - np.floor(level)
    half = 14.5 + 4.5 * np.clip(1 - z / thorax.height, 0, 1.3)
    body = 1 / (1 + np.exp((np.abs(offset) - half * (1 - 0.10 * np.sin(np.pi * phase))) / 0.7))
    disc = 1 / (1 + np.exp((np.abs(phase - 0.5) - 0.40) / 0.014))
    plate = np.exp(-(((np.abs(phase - 0.5) - 0.385) / 0.022) ** 2))
    bone = body * (1.6 * disc + 1.3 * plate + 0.9)
    pedicle = np.hypot((np.abs(offset) - 0.62 * half) / 4.2, (phase - 0.66) * pitch / 6.0)
    bone += 2.2 * np.exp(-(((pedicle - 0.8) / 0.26) ** 2)) + 1.2 * (pedicle < 0.8)
    process = np.hypot(offset / 3.0, (phase - 0.30) * pitch / 7.0)
    bone += 2.0 * np.exp(-(process**2))
    transverse = np.exp(-(((phase - 0.72) * pitch / 4.5) ** 2)) * np.clip((33 - np.abs(offset)) / 6, 0, 1)
    return np.asarray(bone + 1.4 * transverse * (np.abs(offset) > half - 3), np.float32)
