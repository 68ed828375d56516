"""Vessels and airways of one person: trees grown from the hila into the lungs. Called by both renderers."""

import numpy as np
from numpy.typing import NDArray

from radir_node.phantoms.skeleton import Line
from radir_node.phantoms.thorax import SIDE_SIGN, Thorax
from radir_node.phantoms.tubes import Points, Tubes

_TIPS = 300
"""End points per lung: enough for texture, few enough to grow in 20 ms."""
_SAMPLES = 24
"""Points along each branch: a branch is 5 mm to 40 mm long."""
_MURRAY = 2.5
"""Exponent of Murray's law: a branch's radius from the number of tips it feeds."""


def in_lung(thorax: Thorax, points: Points, margin: float = 0.0) -> NDArray[np.bool_]:
    """Return which points [n, 3] lie in either lung, at least about margin mm from wall and diaphragm."""
    x, y, z = points[:, 0], points[:, 1], points[:, 2]
    width, depth = thorax.outline(z + margin)
    wide, deep = np.maximum(width - margin, 1), np.maximum(depth - margin, 1)
    core_x = np.abs(x) / (thorax.core_half_width(z) + margin)
    core = np.hypot(core_x, (y - 5) / (0.7 * thorax.half_depth)) < 1
    spine = np.hypot(x - thorax.spine_x(z), y - thorax.spine_y) < 26
    inside = ((x / wide) ** 2 + (y / deep) ** 2 < 1) & (np.abs(x) > 9 + margin) & ~core & ~spine
    inside &= z > thorax.dome(x, y) + margin
    for part in thorax.heart():
        inside &= part.level(x, y, z) > 1.12
    return np.asarray(inside)


def vessel_tree(thorax: Thorax, side: str, rng: np.random.Generator) -> Tubes:
    """Return the branches of one lung's vessels, radii falling from the hilum to the tips."""
    tips = _tips(thorax, side, rng)
    root = np.array(thorax.hilum(side), np.float32)
    nodes, parents = _grow(root, tips)
    feeds = np.ones(len(nodes))
    for index in range(len(nodes) - 1, 0, -1):
        feeds[parents[index]] += feeds[index]
    radii = np.clip(0.70 * feeds ** (1 / _MURRAY), 0.5, 6.0).astype(np.float32)
    return _branches(nodes, np.array(parents), radii, rng)


def _tips(thorax: Thorax, side: str, rng: np.random.Generator) -> Points:
    low, high = np.array([10, -0.95, -0.3]), np.array([1.0, 0.95, 0.97])
    scale = np.array([1, thorax.half_depth, thorax.height])
    high = high * np.array([thorax.half_width, 1, 1])
    points = rng.uniform(low * scale, high * scale, (5 * _TIPS, 3)).astype(np.float32)
    points[:, 0] *= SIDE_SIGN[side]
    return points[in_lung(thorax, points, 5.0)][:_TIPS]


def _grow(root: Points, tips: Points) -> tuple[Points, list[int]]:
    """Return nodes and parents: nearest tips first, each joined where the way to the root stays short."""
    tips = tips[np.argsort(np.linalg.norm(tips - root, axis=1))]
    nodes = np.empty((len(tips) + 1, 3), np.float32)
    way = np.zeros(len(tips) + 1, np.float32)
    nodes[0] = root
    parents = [0]
    for index, tip in enumerate(tips, start=1):
        distance = np.sqrt(((nodes[:index] - tip) ** 2).sum(axis=1))
        parent = int(np.argmin(distance + 0.55 * way[:index]))
        nodes[index], way[index] = tip, way[parent] + distance[parent]
        parents.append(parent)
    return nodes, parents


def _branches(nodes: Points, parents: NDArray[np.intp], radii: Points, rng: np.random.Generator) -> Tubes:
    """Return all edges as curves that leave their parent in the parent's own direction."""
    above = parents[1:]
    start, end = nodes[above], nodes[1:]
    length = np.maximum(np.linalg.norm(end - start, axis=1, keepdims=True), 1e-3)
    onward = start - nodes[parents[above]]
    onward = onward / np.maximum(np.linalg.norm(onward, axis=1, keepdims=True), 1e-3)
    middle = start + 0.38 * length * onward + rng.normal(0, 0.04, start.shape) * length
    t = ((np.arange(_SAMPLES) + 0.5) / _SAMPLES).astype(np.float32)[None, :, None]
    start, middle, end = (corner[:, None].astype(np.float32) for corner in (start, middle, end))
    points = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    slope = 2 * (1 - t) * (middle - start) + 2 * t * (end - middle)
    speed = np.maximum(np.linalg.norm(slope, axis=2, keepdims=True), 1e-3)
    thick = np.minimum(radii[above], 1.35 * radii[1:])[:, None]
    calibre = thick + (radii[1:, None] - thick) * t[:, :, 0]
    parts = (points, slope / speed, calibre, speed[..., 0] / _SAMPLES)
    return Tubes(*(np.asarray(part, np.float32).reshape(-1, *part.shape[2:]) for part in parts))


def trachea(thorax: Thorax) -> Line:
    """Return the trachea from above the inlet to the carina."""
    x, y, z = thorax.carina
    heights = np.linspace(thorax.height + 90, z, 30)
    rise = (heights - z) / (thorax.height - z)
    line = np.stack([x * (1 - 0.6 * rise), y - 14 * rise, heights], axis=1)
    return line.astype(np.float32), np.full(30, 7.6 if thorax.female else 8.8, np.float32)


def bronchi(thorax: Thorax) -> list[Line]:
    """Return main and lobar bronchi of both sides, the right main one steeper and wider."""
    carina = np.array(thorax.carina, np.float32)
    lines = []
    for side, sign in SIDE_SIGN.items():
        hilum = np.array(thorax.hilum(side), np.float32)
        end = carina + np.array([sign * (30 if side == "right" else 40), 6, -26 if side == "right" else -24])
        lines.append(_taper(carina, end, 7.0 if side == "right" else 6.2, 5.4))
        lower = hilum + np.array([sign * 14, 22, -0.20 * thorax.height])
        upper = hilum + np.array([sign * 22, -4, 0.16 * thorax.height])
        front = hilum + np.array([sign * 26, -30, -0.10 * thorax.height])
        lines.append(_taper(end, lower, 4.6, 1.8))
        lines.append(_taper(end, upper, 3.8, 1.5))
        lines.append(_taper(end + 0.35 * (lower - end), front, 3.0, 1.3))
    return lines


def _taper(start: Points, end: Points, first: float, last: float) -> Line:
    t = np.linspace(0, 1, 12)[:, None]
    return (start + t * (end - start)).astype(np.float32), np.linspace(first, last, 12, dtype=np.float32)


def aorta(thorax: Thorax) -> Line:
    """Return the aorta from its root over the arch and down beside the spine."""
    h, d, knob = thorax.height, thorax.half_depth, thorax.knob
    corners = np.array([
        [-2, -0.20 * d, 0.40 * h], [-14, -0.26 * d, 0.52 * h], [-13, -0.22 * d, 0.64 * h], [-4, -0.12 * d, 0.70 * h],
        [knob, 0.08 * d, 0.715 * h], [knob + 6, 0.34 * d, 0.69 * h], [22, 0.46 * d, 0.60 * h], [20, 0.50 * d, 0.4 * h],
        [15, 0.48 * d, 0.1 * h], [10, 0.42 * d, -0.4 * h],
    ])  # fmt: skip
    radii = np.array([17, 17, 16.5, 15, 14, 13, 12.5, 12, 11.5, 11]) * knob / 14.5
    at = np.linspace(0, len(corners) - 1, 90)
    line = np.stack([np.interp(at, range(len(corners)), corners[:, i]) for i in range(3)], axis=1)
    kernel = np.hanning(13) / np.hanning(13).sum()
    smooth = np.stack([np.convolve(np.pad(line[:, i], 6, mode="edge"), kernel, "valid") for i in range(3)], axis=1)
    return smooth.astype(np.float32), np.interp(at, range(len(corners)), radii).astype(np.float32)
