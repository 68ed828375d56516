"""The layers of a frontal film as path lengths in mm, from one person's thorax. Called by chest_radiograph."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from radir_node.phantoms import skeleton
from radir_node.phantoms.thorax import SIDE_SIGN, Array, Thorax
from radir_node.phantoms.tubes import Tubes, project, tubes
from radir_node.phantoms.vessels import bronchi, trachea, vessel_tree


@dataclass(frozen=True, slots=True)
class Detector:
    """The detector's pixels in patient mm: x [1, columns] grows to the patient's left, z [rows, 1] falls."""

    x: Array
    z: Array
    pixel_mm: float

    @property
    def shape(self) -> tuple[int, int]:
        return (self.z.shape[0], self.x.shape[1])

    @property
    def origin(self) -> tuple[float, float]:
        return (float(self.x[0, 0]), float(self.z[0, 0]))

    def project(self, cloud: Tubes, flatten: float = 1.0, hollow: float = 0.0) -> Array:
        return project(cloud, self.shape, self.origin, self.pixel_mm, flatten, hollow)


def detector_for(thorax: Thorax, pixel_mm: float, rng: np.random.Generator) -> Detector:
    """Return a detector that holds the chest from the neck to the upper abdomen, never placed quite alike."""
    half = thorax.half_width + thorax.wall + rng.uniform(12, 34)
    shift, raised = rng.normal(0, 5), rng.normal(0, 9)
    top, bottom = thorax.height + 54 + raised, -thorax.sulcus - 58 + raised
    columns, rows = round(2 * half / pixel_mm), round((top - bottom) / pixel_mm)
    x = (np.arange(columns) - (columns - 1) / 2) * pixel_mm + shift
    z = top - np.arange(rows) * pixel_mm
    return Detector(x[None, :].astype(np.float32), z[:, None].astype(np.float32), pixel_mm)


def lung_thickness(thorax: Thorax, at: Detector) -> Array:
    """Return the path in lung: chest cavity less diaphragm, mediastinum, heart and spine.

    The parts that a ray leaves out are taken as independent shares of the ray, which keeps every border where it is.
    """
    x, z = at.x, at.z
    width, depth = thorax.outline(z)
    cavity = 2 * depth * np.sqrt(np.maximum(1 - (x / np.maximum(width, 1)) ** 2, 0))
    solid = [
        thorax.dome_chord(x, z),
        1.4 * thorax.half_depth * np.sqrt(np.maximum(1 - (x / thorax.core_half_width(z)) ** 2, 0)),
        44 * np.maximum(1 - ((x - thorax.spine_x(z)) / 30) ** 2, 0),
        26 * np.sqrt(np.maximum(1 - ((x - thorax.knob - 6) / 13) ** 2, 0)) * (z < 0.70 * thorax.height),
        24 * np.sqrt(np.maximum(1 - ((x + 0.145 * thorax.half_width) / 14) ** 2, 0)),
        *(1.15 * part.chord(x, z) for part in thorax.heart()),
        1.4 * thorax.arch().chord(x, z),
    ]
    left_over = cavity * np.clip((np.abs(x) - 4) / 14, 0, 1)
    for chord in solid:
        left_over = left_over * np.clip(1 - chord / np.maximum(cavity, 1), 0, 1)
    return np.asarray(left_over, np.float32)


def body_thickness(thorax: Thorax, at: Detector, rng: np.random.Generator) -> Array:
    """Return the path in the body: torso, shoulders, neck, arms and breasts, the lungs counted as body."""
    x, z, h = np.abs(at.x), at.z, thorax.height
    waist = 1 - 0.04 * np.clip(-z / 80, 0, 1.5) * (1.0 if thorax.female else 0.4)
    width = (thorax.half_width + thorax.wall) * waist * (1 + 0.04 * np.exp(-(((z - 0.5 * h) / (0.25 * h)) ** 2)))
    deep = 2 * (thorax.half_depth + 0.8 * thorax.wall) * np.interp(z, [0.5 * h, h, h + 60], [1.0, 0.62, 0.48])
    deep = deep * (1 + 0.22 * np.clip((24 - z) / 56, 0, 1))
    torso = deep * np.maximum(1 - (x / width) ** 3.4, 0) ** 0.45
    skin = h + 26 + 58 * np.exp(-(x - 46) / 24) - 0.07 * x
    below = np.clip((skin - z) / 52, 0, 1)
    shoulder = 118 * np.sqrt(1 - (1 - below) ** 2) * np.clip((z - 0.40 * h) / (0.30 * h), 0, 1) ** 0.7
    neck = 2 * np.sqrt(np.maximum(56**2 - x**2, 0))
    top = thorax.half_width + 46 - (z - 0.80 * h) * 0.21
    arm = 2 * np.sqrt(np.maximum(42**2 - (0.98 * (x - top)) ** 2, 0)) * (z < 0.80 * h)
    torso = torso * (z < skin)
    body = np.maximum(np.maximum(torso, shoulder * (x < width + 200)), np.where(z > h - 10, neck, 0))
    body = np.maximum(body, arm)
    body = gaussian_filter(np.asarray(body, np.float32), 1.6 / at.pixel_mm)
    return np.asarray(body + _breasts(thorax, at, rng), np.float32)


def _breasts(thorax: Thorax, at: Detector, rng: np.random.Generator) -> Array:
    """Return the path in the breasts: they fade out upwards and end in a rounded lower border."""
    size = rng.uniform(14, 34) if thorax.female else rng.uniform(0, 9)
    centre = 0.60 * thorax.half_width
    level = rng.uniform(0.02, 0.14) * thorax.height
    across = np.maximum(1 - ((np.abs(at.x) - centre) / (0.54 * thorax.half_width)) ** 2, 0)
    up = np.maximum(1 - (np.maximum(at.z - level, 0) / (0.55 * thorax.height)) ** 2, 0) ** 1.4
    down = np.maximum(level - at.z, 0) / (34 + 0.35 * size)
    below = np.maximum(1 - down**2 / np.maximum(across, 1e-3), 0) ** 0.6
    return np.asarray(size * across**0.8 * up * below, np.float32)


def bone_thickness(thorax: Thorax, at: Detector, rng: np.random.Generator) -> Array:
    """Return the path in mm of dense bone: ribs, clavicles, shoulder girdle and spine."""
    ribs = tubes(skeleton.ribs(thorax, rng), 1.3 * at.pixel_mm)
    bone = 0.52 * at.project(ribs, skeleton.RIB_FLATTEN, hollow=0.62)
    girdles = skeleton.shoulders(thorax)
    rest = [line for girdle in girdles for line in (*girdle.edges, girdle.shaft)]
    bone += 0.60 * at.project(tubes([*skeleton.clavicles(thorax, rng), *rest], at.pixel_mm), hollow=0.70)
    for girdle in girdles:
        bone += _blade(girdle, at) + _head(girdle, at)
    near = np.abs(at.x[0]) < 48
    bone[:, near] += skeleton.spine_profile(thorax, at.x[:, near], at.z)
    return bone


def _blade(girdle: skeleton.Shoulder, at: Detector) -> Array:
    columns = (girdle.blade[:, 0] - at.origin[0]) / at.pixel_mm
    rows = (at.origin[1] - girdle.blade[:, 2]) / at.pixel_mm
    picture = Image.new("L", (at.shape[1], at.shape[0]))
    ImageDraw.Draw(picture).polygon(list(zip(columns.tolist(), rows.tolist(), strict=True)), fill=1)
    return np.asarray(picture, np.float32) * 0.7


def _head(girdle: skeleton.Shoulder, at: Detector) -> Array:
    radius = girdle.head_radius
    square = (at.x - girdle.head[0]) ** 2 + (at.z - girdle.head[2]) ** 2
    outer = np.sqrt(np.maximum(radius**2 - square, 0))
    inner = np.sqrt(np.maximum((radius - 1.2) ** 2 - square, 0))
    return np.asarray(0.5 * (outer - inner) + 0.10 * outer, np.float32)


def vessel_thickness(thorax: Thorax, at: Detector, rng: np.random.Generator) -> Array:
    """Return the path in the vessels of both lungs."""
    return sum((at.project(vessel_tree(thorax, side, rng)) for side in SIDE_SIGN), start=np.zeros(at.shape, np.float32))


def airway_thickness(thorax: Thorax, at: Detector) -> Array:
    """Return the path in the air of trachea and bronchi."""
    return at.project(tubes([trachea(thorax), *bronchi(thorax)], at.pixel_mm))
