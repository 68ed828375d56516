"""From a resampled CT to the regions that are measured; called by the CT encoder.

Classical means only, so the limits are known: a lung without any air is not found; a consolidated lobe below the
lowest aerated slice is taken for abdomen; fluid and consolidation against the ribs look the same; the aorta is not
separated from the mediastinum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from radir_node.encoders.ct.airway import find_airway
from radir_node.encoders.ct.grid import SPACING_MM
from radir_node.encoders.ct.lobes import lobes
from radir_node.encoders.ct.lungs import (
    AIR_HU,
    BODY_HU,
    aerated_lungs,
    find_body,
    find_free_air,
    lung_field,
    midline_of,
    zones,
)
from radir_node.encoders.ct.mediastinum import between, dome_level, find_heart, find_spine, outer_layer
from radir_node.encoders.ct.morphology import Box, Mask, Volume, bounding_box, largest, occupied

SIDES = ("right", "left")
STRIDE = 3
"""Step of the coarse pass that only finds where the chest is."""


@dataclass(frozen=True, slots=True)
class Thorax:
    """The chest part of a volume on the working grid and masks of the same shape [z, y, x]."""

    hu: Volume
    body: Mask
    airway: Mask
    aerated: Mapping[str, Mask]
    """Side -> lung voxels that hold air."""
    fields: Mapping[str, Mask]
    """Side -> the lung with vessels, closed consolidations and the layer, without free air."""
    free_air: Mapping[str, Mask]
    """Side -> large homogeneous regions of pure air outside the airway: pneumothorax, or a bulla as large."""
    layers: Mapping[str, Mask]
    """Side -> abnormal soft layer between lung and ribs."""
    parts: Mapping[str, Mask]
    """"upper_zone:right", "lower_lobe:left" and so on -> part of the field."""
    mediastinum: Mask
    heart: Mask
    spine: Mask
    chest_wall: Mask
    """Body outside lungs and mediastinum, only in the upper 60 % of the lungs' height: no liver, no spleen."""
    midline: float
    """x index of the body's midline."""


def segment(hu: Volume) -> Thorax:
    """Return the regions of a volume on the working grid; raise NotIndexable when no lungs are found."""
    hu = np.ascontiguousarray(hu[_chest_box(hu)])
    body = find_body(hu)
    airway = _airway(hu, body)
    aerated = aerated_lungs(hu, body, airway)
    lungs = aerated["right"] | aerated["left"]
    midline = midline_of(body & occupied(lungs)[:, None, None])
    spine = find_spine(hu, body, lungs, midline)
    barred = airway | spine
    closed = {side: lung_field(aerated[side], aerated[_other(side)], barred) for side in SIDES}
    layers = {side: outer_layer(hu, closed[side], side) & body & ~spine & ~closed[_other(side)] for side in SIDES}
    chest = {side: closed[side] | layers[side] for side in SIDES}
    both = chest["right"] | chest["left"]
    free_air = find_free_air(hu, aerated)
    fields = {side: chest[side] & ~free_air[side] for side in SIDES}
    dome = max(dome_level(field) if field.any() else 0 for field in chest.values())
    central = between(chest["right"], chest["left"]) & body & ~barred
    return Thorax(
        hu=hu,
        body=body,
        airway=airway,
        aerated=aerated,
        fields=fields,
        free_air=free_air,
        layers=layers,
        parts={
            f"{name}:{side}": part
            for side in SIDES
            for name, part in (zones(fields[side]) | lobes(fields[side], side)).items()
        },
        mediastinum=central & _levels_from(dome, hu.shape[0]),
        heart=find_heart(hu, central, spine, both, dome),
        spine=spine,
        chest_wall=body & ~both & ~central & ~barred & _upper_levels(both),
        midline=midline,
    )


def _chest_box(hu: Volume) -> Box:
    """Return where the chest is, judged on every third voxel, so that legs and pillows cost nothing.

    Air with body on all four sides in its slice counts; bowel only widens the box.
    """
    coarse = hu[::STRIDE, ::STRIDE, ::STRIDE]
    body = largest(coarse > BODY_HU)
    enclosed = _surrounded(body, 1) & _surrounded(body, 2) & (coarse < AIR_HU)
    areas = enclosed.sum(axis=(1, 2))
    chest = body & (areas > 0.1 * areas.max())[:, None, None]
    if not chest.any():
        return slice(None), slice(None), slice(None)
    box = bounding_box(chest, margin_mm=20.0 / STRIDE)
    grown = [slice(max(0, s.start - n) * STRIDE, (s.stop + n) * STRIDE) for s, n in zip(box, (4, 1, 1), strict=True)]
    return grown[0], grown[1], grown[2]


def _surrounded(mask: Mask, axis: int) -> Mask:
    """Return the voxels that have the mask on both sides along the axis."""
    before = np.logical_or.accumulate(mask, axis=axis)
    after = np.flip(np.logical_or.accumulate(np.flip(mask, axis), axis=axis), axis)
    return np.asarray(before & after)


def _airway(hu: Volume, body: Mask) -> Mask:
    air = largest((hu < AIR_HU) & body)
    levels = np.flatnonzero(occupied(air))
    if levels.size == 0:
        return air
    middle = int(levels[0] + 0.4 * (levels[-1] - levels[0]))
    return find_airway(hu, body, top=int(levels[-1] + 30 / SPACING_MM), bottom=middle, midline=midline_of(body))


def _other(side: str) -> str:
    return "left" if side == "right" else "right"


def _levels_from(lowest: int, count: int) -> Mask:
    return np.asarray((np.arange(count) >= lowest)[:, None, None])


def _upper_levels(lungs: Mask) -> Mask:
    levels = np.flatnonzero(occupied(lungs))
    position = np.arange(lungs.shape[0])
    cut = levels[-1] - 0.6 * (levels[-1] - levels[0])
    return np.asarray(((position >= cut) & (position <= levels[-1]))[:, None, None])
