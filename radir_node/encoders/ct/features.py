"""Named measures of every region, in physical units; called by the CT encoder between segmentation and projection.

A measure's full name is "<region>.<measure>", e.g. "lower_zone_base:right.laa950_percent". A measure that cannot be
taken (no trachea found, contrast in the heart) is NaN, which the network reads as "as in the reference".

Lung, its sides, zones and lobes. Low densities are counted in the whole field (lung with vessels and consolidations);
means, percentiles and opacities in its core, 5 mm inside, where the diaphragm and the ribs are not averaged in. An
opacity is what stays bright after a grey opening of 7.5 mm, which takes vessels and bronchial walls away.
    volume_l, mean_hu, p05_hu .. p95_hu   litres; Hounsfield units (p15_hu is the Perc15 of emphysema trials)
    laa950_percent         field below -950 HU: emphysema
    low_percent            field -950 to -900: hyperinflated lung
    aerated_percent        field -900 to -700: normal lung
    ground_glass_percent   opacities of -700 to -500 in the core
    mixed_percent          opacities of -500 to -100: dense ground glass, reticulation
    dense_percent          opacities above -100: consolidation, layer on the ribs, large vessels
    local_sd_hu            standard deviation within 12.5 mm, averaged; gradient_hu_mm: in-plane gradient, averaged
    vessel_percent         voxels 120 HU above their surroundings
    laa_cluster_ml         largest connected region below -950 HU: a bulla
    opacity_cluster_ml     largest connected opacity above -500 HU: a nodule, or a consolidation
The whole lung also has height_mm and how the sides and the upper and lower zones differ (percentage points).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radir_node.encoders.ct.grid import SPACING_MM, VOXEL_ML
from radir_node.encoders.ct.lungs import LAA_HU, ZONES
from radir_node.encoders.ct.morphology import Mask, Volume, components, extent_mm, occupied
from radir_node.encoders.ct.segmentation import SIDES, Thorax
from radir_node.encoders.ct.thorax_measures import (
    airway_measures,
    chest_wall_measures,
    heart_measures,
    mediastinum_measures,
    spine_measures,
)

PERCENTILES = (5, 15, 25, 50, 75, 95)
LOW_BINS_HU = (-np.inf, LAA_HU, -900.0, -700.0)
LOW_NAMES = ("laa950_percent", "low_percent", "aerated_percent")
OPACITY_BINS_HU = (-700.0, -500.0, -100.0, np.inf)
OPACITY_NAMES = ("ground_glass_percent", "mixed_percent", "dense_percent")
CORE_MM = 5.0
VESSEL_CONTRAST_HU = 120.0
SMALLEST_LAYER_ML = 5.0


def measure(thorax: Thorax) -> dict[str, float]:
    """Return every measure by its full name, NaN where it cannot be taken."""
    regions: dict[str, Mapping[str, float]] = {
        **_lungs(thorax),
        **_pleura(thorax),
        "airway": airway_measures(thorax),
        "heart": heart_measures(thorax),
        "mediastinum": mediastinum_measures(thorax),
        "thoracic_spine": spine_measures(thorax),
        "chest_wall": chest_wall_measures(thorax),
    }
    return {f"{region}.{name}": value for region, values in regions.items() for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class _Maps:
    """The per-voxel quantities that all lung regions share, each [z, y, x]."""

    hu: Volume
    opened: Volume
    local_sd: Volume
    gradient: Volume
    core: Mask
    inner: Mask
    vessel: Mask
    emphysema: NDArray[np.int32]
    """Component labels of the voxels below -950 HU."""
    opacities: NDArray[np.int32]
    """Component labels of the opacities above -500 HU."""


def _lungs(thorax: Thorax) -> dict[str, dict[str, float]]:
    fields: dict[str, Mask] = {
        "lung": thorax.fields["right"] | thorax.fields["left"],
        **{f"lung:{side}": thorax.fields[side] for side in SIDES},
        **thorax.parts,
    }
    aerated = (thorax.aerated["right"] | thorax.aerated["left"]) & fields["lung"]
    maps = _maps(thorax.hu, aerated, fields["lung"])
    measures = {region: _lung_measures(maps, field) for region, field in fields.items()}
    measures["lung"] |= _distribution(measures, fields["lung"])
    return measures


def _maps(hu: Volume, aerated: Mask, field: Mask) -> _Maps:
    """Compute the maps; texture after averaging over 7.5 mm along z, so that thin and thick series have the same."""
    thick = ndimage.uniform_filter1d(hu, 3, axis=0)
    local = _in_plane_mean(thick)
    opened = ndimage.grey_opening(hu, size=3)
    core = ndimage.binary_erosion(field, iterations=round(CORE_MM / SPACING_MM))
    down, across = np.gradient(thick, SPACING_MM, axis=(1, 2))
    return _Maps(
        hu=hu,
        opened=opened,
        local_sd=np.sqrt(np.maximum(_in_plane_mean(thick * thick) - local * local, 0.0)),
        gradient=np.hypot(down, across),
        core=core,
        inner=ndimage.binary_erosion(aerated),
        vessel=thick - local > VESSEL_CONTRAST_HU,
        emphysema=components(aerated & (hu < LAA_HU))[0],
        opacities=components(core & (opened > OPACITY_BINS_HU[1]))[0],
    )


def _in_plane_mean(volume: Volume) -> Volume:
    return np.asarray(ndimage.uniform_filter1d(ndimage.uniform_filter1d(volume, 5, axis=1), 5, axis=2))


def _lung_measures(maps: _Maps, field: Mask) -> dict[str, float]:
    core = field & maps.core
    volume_l = float(field.sum()) * VOXEL_ML / 1000.0
    if not core.any():
        return {"volume_l": volume_l, **dict.fromkeys(_LUNG_NAMES[1:], np.nan)}
    inside = maps.hu[core]
    values = [
        volume_l,
        inside.mean(dtype=np.float64),
        *np.percentile(inside, PERCENTILES),
        *_percentages(maps.hu[field], LOW_BINS_HU),
        *_percentages(maps.opened[core], OPACITY_BINS_HU),
        _mean(maps.local_sd, field & maps.inner),
        _mean(maps.gradient, field & maps.inner),
        100.0 * _mean(maps.vessel, field),
        _largest_ml(maps.emphysema[field]),
        _largest_ml(maps.opacities[core]),
    ]
    return dict(zip(_LUNG_NAMES, map(float, values), strict=True))


def _largest_ml(labels: NDArray[np.int32]) -> float:
    return float(np.bincount(labels)[1:].max(initial=0)) * VOXEL_ML


def _percentages(hu: Volume, bins: tuple[float, ...]) -> NDArray[np.float64]:
    return np.histogram(hu, bins)[0] * (100.0 / hu.size)


_LUNG_NAMES = (
    "volume_l",
    "mean_hu",
    *(f"p{percentile:02d}_hu" for percentile in PERCENTILES),
    *LOW_NAMES,
    *OPACITY_NAMES,
    "local_sd_hu",
    "gradient_hu_mm",
    "vessel_percent",
    "laa_cluster_ml",
    "opacity_cluster_ml",
)


def _distribution(measures: Mapping[str, Mapping[str, float]], lungs: Mask) -> dict[str, float]:
    """Return how disease is spread: right against left, upper against lower."""
    right, left = (measures[f"lung:{side}"] for side in SIDES)
    total = right["volume_l"] + left["volume_l"]
    upper, _, lower = ([measures[f"{zone}:{side}"] for side in SIDES] for zone in ZONES)

    def share(parts: list[Mapping[str, float]], names: tuple[str, ...]) -> float:
        weights = [part["volume_l"] for part in parts]
        values = [sum(part[name] for name in names) for part in parts]
        held = [(w, v) for w, v in zip(weights, values, strict=True) if np.isfinite(v)]
        return sum(w * v for w, v in held) / sum(w for w, _ in held) if held else np.nan

    return {
        "height_mm": extent_mm(occupied(lungs)),
        "right_volume_percent": 100.0 * right["volume_l"] / total,
        "right_minus_left_opacity_percent": share([right], OPACITY_NAMES) - share([left], OPACITY_NAMES),
        "right_minus_left_laa950_percent": right["laa950_percent"] - left["laa950_percent"],
        "upper_minus_lower_opacity_percent": share(upper, OPACITY_NAMES) - share(lower, OPACITY_NAMES),
        "upper_minus_lower_laa950_percent": share(upper, ("laa950_percent",)) - share(lower, ("laa950_percent",)),
    }


def _pleura(thorax: Thorax) -> dict[str, dict[str, float]]:
    """Measure the layer on the ribs (effusion, thickening) and free air (pneumothorax, or a bulla as large).

    layer_ml; layer_percent of the field; layer_hu (fluid 0 to 20, NaN below 5 ml); free_air_ml.
    """
    by_side = {}
    for side in SIDES:
        layer, field = thorax.layers[side], thorax.fields[side]
        layer_ml = float(layer.sum()) * VOXEL_ML
        by_side[f"pleura:{side}"] = {
            "layer_ml": layer_ml,
            "layer_percent": 100.0 * layer_ml / (float(field.sum()) * VOXEL_ML) if field.any() else np.nan,
            "layer_hu": float(thorax.hu[layer].mean()) if layer_ml >= SMALLEST_LAYER_ML else np.nan,
            "free_air_ml": float(thorax.free_air[side].sum()) * VOXEL_ML,
        }
    right, left = by_side["pleura:right"], by_side["pleura:left"]
    both = {
        "layer_ml": right["layer_ml"] + left["layer_ml"],
        "layer_right_minus_left_ml": right["layer_ml"] - left["layer_ml"],
        "free_air_ml": right["free_air_ml"] + left["free_air_ml"],
        "free_air_right_minus_left_ml": right["free_air_ml"] - left["free_air_ml"],
    }
    return {"pleura": both, **by_side}


def _mean(values: Volume | Mask, mask: Mask) -> float:
    chosen = values[mask]
    return float(chosen.mean(dtype=np.float64)) if chosen.size else np.nan
