"""What a measure is compared with: reference mean and scale of every feature; read by the CT encoder and the exporter.

The numbers are physiological constants, not a training result. Sources of the reasoning:
- lungs at inspiration hold about 5 l on a supine CT (sd 1.4), the right 53 %; mean density near -850 HU with vessels;
  Perc15 near -900 in health and below -950 in severe emphysema; LAA-950 below 1 % on a 2.5 mm grid, which averages
  noise away, and up to 50 % in disease;
- healthy lung has a few per cent of dependent density; ground glass and consolidation span 0 to 60 %;
- tracheal area 190 (women) to 280 mm2 (men); a coronal width well below the sagittal one is the sabre-sheath trachea;
- cardiothoracic ratio on CT 0.42, above 0.5 enlarged; blood without contrast 35 to 55 HU;
- vertebral trabecular bone 200 HU at 30 years, 110 HU at 75, below 100 HU osteoporotic;
- means of quantities that this segmentation defines by itself (partial heart, mediastinal box) were set to round
  numbers near a handful of adult series.
A scale is roughly one standard deviation among adults seen in a hospital. Where values span decades, the logarithm is
compared, and mean and scale are of sign(x) * log(1 + |x|).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

PREPROCESSING = "ct2.5mm-1"
"""Changes with every change of grid, segmentation or features: vectors across it are not comparable."""

REGIONS = (
    "lung",
    "lung:right",
    "lung:left",
    "upper_zone:right",
    "upper_zone:left",
    "mid_zone:right",
    "mid_zone:left",
    "lower_zone_base:right",
    "lower_zone_base:left",
    "upper_lobe:right",
    "upper_lobe:left",
    "middle_lobe:right",
    "lower_lobe:right",
    "lower_lobe:left",
    "airway",
    "heart",
    "mediastinum",
    "pleura",
    "pleura:right",
    "pleura:left",
    "thoracic_spine",
    "chest_wall",
)
"""Anatomy keys in the order of the network's output."""


@dataclass(frozen=True, slots=True)
class Reference:
    """How one measure is standardised: ((log if log) value - mean) / scale, and how much it counts in its region."""

    mean: float
    scale: float
    weight: float = 1.0
    log: bool = False


def _log(value: float, scale: float, weight: float = 1.0) -> Reference:
    """Reference of a logarithmic measure, its mean given in the measure's own unit."""
    return Reference(math.copysign(math.log1p(abs(value)), value), scale, weight, log=True)


_LUNG_DENSITY = {
    "mean_hu": Reference(-815, 40),
    # Neighbouring percentiles say nearly the same; together they count about as one measure.
    "p05_hu": Reference(-905, 25, 0.5),
    "p15_hu": Reference(-888, 25, 0.5),
    "p25_hu": Reference(-875, 25, 0.5),
    "p50_hu": Reference(-850, 30, 0.5),
    "p75_hu": Reference(-805, 45, 0.5),
    "p95_hu": Reference(-600, 120, 0.5),
    "laa950_percent": _log(0.3, 0.6, 1.5),
    "low_percent": _log(6.0, 0.9),
    "aerated_percent": Reference(75, 10),
    "ground_glass_percent": _log(1.5, 0.6, 1.5),
    "mixed_percent": _log(0.7, 0.5, 1.5),
    "dense_percent": _log(0.1, 0.4, 1.5),
    "local_sd_hu": Reference(87, 15, 0.7),
    "gradient_hu_mm": Reference(19, 4, 0.5),
    "vessel_percent": Reference(3.5, 1.5, 0.5),
    "laa_cluster_ml": _log(0.3, 0.8, 0.7),
}

_VOLUME_L = {
    "lung": Reference(5.0, 1.4),
    "lung:right": Reference(2.7, 0.75),
    "lung:left": Reference(2.3, 0.7),
    "upper_zone": Reference(0.7, 0.22),
    "mid_zone": Reference(1.2, 0.35),
    "lower_zone_base": Reference(0.65, 0.25),
    "upper_lobe:right": Reference(1.0, 0.3),
    "upper_lobe:left": Reference(1.25, 0.4),
    "middle_lobe:right": Reference(0.45, 0.15),
    "lower_lobe:right": Reference(1.15, 0.4),
    "lower_lobe:left": Reference(1.05, 0.35),
}

_OPACITY_CLUSTER_ML = {
    # Hilar vessels are wide enough to count as an opacity: the larger means are theirs.
    "lung": 11.0,
    "upper_zone": 0.8,
    "mid_zone": 7.0,
    "lower_zone_base": 0.4,
    "upper_lobe": 3.0,
    "middle_lobe": 2.3,
    "lower_lobe": 3.5,
}

_DISTRIBUTION = {
    "height_mm": Reference(265, 28, 0.5),
    "right_volume_percent": Reference(53, 4, 0.7),
    "right_minus_left_opacity_percent": _log(0.0, 1.0),
    "right_minus_left_laa950_percent": _log(0.0, 0.7),
    "upper_minus_lower_opacity_percent": _log(-1.0, 1.0),
    "upper_minus_lower_laa950_percent": _log(0.0, 0.7),
}

_PLEURA_SIDE = {
    "layer_ml": _log(3.0, 1.2),
    "layer_percent": _log(0.1, 0.5),
    "layer_hu": Reference(0, 25, 0.5),
    "free_air_ml": _log(0.3, 1.2),
}

_OTHERS = {
    "airway": {
        "tracheal_area_mm2": Reference(240, 75),
        "tracheal_shape": Reference(0.88, 0.18),
        "tracheal_shift_mm": Reference(0, 8),
        "volume_ml": Reference(38, 14, 0.5),
    },
    "heart": {
        "ctr": Reference(0.42, 0.06, 1.5),
        "width_mm": Reference(118, 14),
        "volume_ml": Reference(550, 190),
        "mean_hu": Reference(38, 25, 0.5),
        "left_percent": Reference(62, 11, 0.7),
        "fat_percent": Reference(4, 3, 0.5),
        "calcium_percent": _log(0.03, 0.15),
    },
    "mediastinum": {
        "volume_l": Reference(1.1, 0.35),
        "upper_width_mm": Reference(34, 8),
        "width_ratio": Reference(0.115, 0.03),
        "mean_hu": Reference(18, 18, 0.7),
        "fat_percent": Reference(20, 9),
        "bright_percent": _log(2.5, 0.5),
        "shift_mm": Reference(3, 8),
    },
    "pleura": {
        "layer_ml": _log(6.0, 1.2),
        "layer_right_minus_left_ml": _log(0.0, 1.8),
        "free_air_ml": _log(0.3, 1.2),
        "free_air_right_minus_left_ml": _log(0.0, 1.8),
    },
    "pleura:right": _PLEURA_SIDE,
    "pleura:left": _PLEURA_SIDE,
    "thoracic_spine": {
        "trabecular_hu": Reference(170, 50, 1.5),
        "compact_percent": Reference(50, 14),
        "scoliosis_mm": Reference(3, 2.5),
        "kyphosis_mm": Reference(12, 4.5),
    },
    "chest_wall": {
        "area_cm2": Reference(380, 120),
        "fat_percent": Reference(35, 15),
        "muscle_percent": Reference(40, 11),
        "muscle_hu": Reference(42, 5, 0.7),
        "bone_percent": Reference(6, 2.5, 0.7),
        "body_width_mm": Reference(350, 40, 0.7),
        "body_depth_mm": Reference(240, 30, 0.7),
        "inner_width_mm": Reference(285, 25, 0.7),
        "inner_shape": Reference(0.63, 0.06),
    },
}

GLOBAL_SHARES = {
    "lung": 0.30,
    "lung:right": 0.05,
    "lung:left": 0.05,
    **dict.fromkeys((region for region in REGIONS if "_zone" in region), 0.035),
    **dict.fromkeys((region for region in REGIONS if "_lobe" in region), 0.024),
    "airway": 0.03,
    "heart": 0.06,
    "mediastinum": 0.04,
    "pleura": 0.04,
    "pleura:right": 0.02,
    "pleura:left": 0.02,
    "thoracic_spine": 0.02,
    "chest_wall": 0.04,
}
"""Share of each region in the unconditional vector: the lungs are what a chest CT is compared by."""


def _region(key: str) -> Mapping[str, Reference]:
    if key in _OTHERS:
        return _OTHERS[key]
    site = key.partition(":")[0]
    volume = {"volume_l": _VOLUME_L.get(key) or _VOLUME_L[site]}
    cluster = {"opacity_cluster_ml": _log(_OPACITY_CLUSTER_ML[site], 0.8, 1.2)}
    return volume | _LUNG_DENSITY | cluster | (_DISTRIBUTION if key == "lung" else {})


REFERENCES: Mapping[str, Reference] = {
    f"{region}.{name}": reference for region in REGIONS for name, reference in _region(region).items()
}
"""Full name -> reference; the order is that of the network's input."""

FEATURES = tuple(REFERENCES)
