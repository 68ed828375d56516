"""Smooth random fields and fast enlargement, for grain, clouds and slow shading. Called by both renderers."""

import numpy as np
from PIL import Image

from radir_node.phantoms.thorax import Array


def enlarge(small: Array, shape: tuple[int, int]) -> Array:
    """Return a picture of that shape, interpolated from a small one."""
    picture = Image.fromarray(np.ascontiguousarray(small, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC), np.float32)


def clouds(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> Array:
    """Return smooth noise with deviation 1 and structures about cell pixels wide, float32 of that shape."""
    small = rng.standard_normal([max(2, round(n / cell)) for n in shape], dtype=np.float32)
    grown = enlarge(small, shape)
    return np.asarray(grown / grown.std(), np.float32)


def clouds_3d(shape: tuple[int, int, int], cells: tuple[float, float], rng: np.random.Generator) -> Array:
    """Return smooth noise with deviation about 1: cells are its structures' sizes across slices and in plane."""
    planes = max(2, round(shape[0] / cells[0]))
    few = np.stack([clouds((shape[1], shape[2]), cells[1], rng) for _ in range(planes)])
    at = np.linspace(0, planes - 1.001, shape[0], dtype=np.float32)
    low = at.astype(np.int32)
    share = (at - low)[:, None, None]
    return np.asarray(few[low] * (1 - share) + few[low + 1] * share, np.float32)
