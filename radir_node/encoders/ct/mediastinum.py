"""What lies between and behind the lungs, and the layer between lung and ribs; called by the CT segmentation."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from radir_node.encoders.ct.grid import SPACING_MM
from radir_node.encoders.ct.morphology import Mask, Volume, fill_axial_holes, largest, occupied

BONE_HU = 200.0
SOFT_HU = (-50.0, 400.0)
"""Blood and muscle, with or without contrast; below -50 is mediastinal fat."""
RIB_REACH_MM = 15.0
"""Half the usual distance between two ribs: projecting this far along z closes the intercostal gaps."""
NORMAL_LAYER_MM = 7.5
"""Pleura, intercostal muscle and partial volume between aerated lung and rib."""
DEEPEST_LAYER_MM = 90.0
DOME_MM2 = 600.0


def between(right: Mask, left: Mask) -> Mask:
    """Return the voxels whose row holds right lung only on their right and left lung only on their left.

    "Only" keeps the dome of the liver out, which the lung surrounds.
    """
    after_right = np.logical_or.accumulate(right, axis=2) & ~_still_to_come(right)
    before_left = _still_to_come(left) & ~np.logical_or.accumulate(left, axis=2)
    return np.asarray(after_right & before_left)


def dome_level(lung: Mask) -> int:
    """Return the z index of the diaphragm's dome: the top of the soft tissue that the lung surrounds in its lower half.

    Tissue with lung below it is a consolidation. Where none is surrounded, the lung's lowest slice.
    """
    levels = np.flatnonzero(occupied(lung))
    surrounded = np.logical_or.accumulate(lung, axis=2) & _still_to_come(lung)
    surrounded &= ~np.logical_or.accumulate(lung, axis=0)
    areas = surrounded.sum(axis=(1, 2)) * SPACING_MM**2
    domed = np.flatnonzero(areas[levels[0] : (levels[0] + levels[-1]) // 2] > DOME_MM2)
    return int(levels[0] + domed[-1]) if domed.size else int(levels[0])


def _still_to_come(mask: Mask) -> Mask:
    """Return the voxels with a mask voxel at the same or a greater x in their row."""
    return np.asarray(np.logical_or.accumulate(mask[:, :, ::-1], axis=2)[:, :, ::-1])


def find_spine(hu: Volume, body: Mask, lungs: Mask, midline: float) -> Mask:
    """Return the bone behind the centre of the lungs and within 35 mm of the midline, closed and filled axially."""
    levels = occupied(lungs)
    behind = np.arange(hu.shape[1]) > _median_row(lungs)
    central = np.abs(np.arange(hu.shape[2]) - midline) * SPACING_MM < 35.0
    bone = (hu > BONE_HU - 50.0) & body & levels[:, None, None] & behind[None, :, None] & central[None, None, :]
    spine = np.zeros_like(bone)
    for z in np.flatnonzero(occupied(bone)):
        spine[z] = ndimage.binary_fill_holes(ndimage.binary_closing(bone[z], iterations=3))
    return largest(spine)


def find_heart(hu: Volume, central: Mask, spine: Mask, lungs: Mask, dome: int) -> Mask:
    """Return the largest soft block of the mediastinum between 15 mm below the dome and half way up to the apex.

    An estimate: the roots of the great vessels and the oesophagus belong to it, the heart's lowest part does not.
    """
    levels = np.flatnonzero(occupied(lungs))
    soft = central & (hu > SOFT_HU[0]) & (hu < SOFT_HU[1])
    soft[: max(levels[0], dome - round(15.0 / SPACING_MM))] = False
    soft[(dome + levels[-1]) // 2 :] = False
    soft &= np.arange(hu.shape[1])[None, :, None] < _spine_front(spine)
    core = ndimage.binary_erosion(soft, iterations=3)
    block = ndimage.binary_dilation(largest(core), iterations=3) & soft
    return fill_axial_holes(block) & central


def outer_layer(hu: Volume, field: Mask, side: str) -> Mask:
    """Return the abnormal soft layer between one lung and the ribs behind and lateral to it.

    Pleural fluid, pleural thickening or consolidation that reaches the pleura: classical means cannot part them. Only
    where lung remains in the same column (behind) or row (lateral), so a lung that is opaque to its front has none.
    The apex is left out, where shoulder and first rib mislead, and the lateral search where liver or spleen lies
    beside the lung.
    """
    if not field.any():
        return field.copy()
    levels = np.flatnonzero(occupied(field))
    below_apex = np.arange(field.shape[0]) < levels[0] + 0.75 * (levels[-1] - levels[0])
    areas = field.sum(axis=(1, 2))
    wide = below_apex & (areas > 0.6 * areas.max())
    rear = np.arange(field.shape[1]) > _median_row(field)
    bone = ndimage.maximum_filter1d((hu > BONE_HU).astype(np.uint8), 2 * round(RIB_REACH_MM / SPACING_MM) + 1, axis=0)
    rib = np.asarray(bone > 0) & ~field
    behind = _layer(field & _outward_columns(field, side) & below_apex[:, None, None], rib, axis=1)
    beside = field & rear[None, :, None] & wide[:, None, None]
    step = -1 if side == "right" else 1
    lateral = _layer(beside[:, :, ::step], rib[:, :, ::step], axis=2)[:, :, ::step]
    return np.asarray((behind | lateral) & (hu > -300.0) & (hu < BONE_HU) & ~field)


def _layer(field: Mask, rib: Mask, axis: int) -> Mask:
    """Return what lies between the last field voxel along the axis and the first rib after it, if too thick."""
    length = field.shape[axis]
    position = np.arange(length).reshape([-1 if a == axis else 1 for a in range(3)])
    last = np.where(field, position, -1).max(axis=axis, keepdims=True)
    wall = np.where(rib & (position > last), position, length).min(axis=axis, keepdims=True)
    depth = np.where((last >= 0) & (wall < length), wall - last - 1, 0)
    # A single ray may slip between two ribs and end at the scapula; its neighbours tell.
    depth = ndimage.median_filter(depth, size=[1 if a == axis else 5 for a in range(3)])
    abnormal = (depth * SPACING_MM > NORMAL_LAYER_MM) & (depth * SPACING_MM < DEEPEST_LAYER_MM) & (last >= 0)
    end = np.minimum(wall, last + 1 + depth)
    return np.asarray(abnormal & (position > last) & (position < end))


def _outward_columns(field: Mask, side: str) -> Mask:
    """Return, per slice, the lateral two thirds of the lung's width, away from spine and aorta."""
    position = np.arange(field.shape[2])
    columns = field.any(axis=1)
    first = np.where(columns, position, field.shape[2]).min(axis=1)
    last = np.where(columns, position, -1).max(axis=1)
    cut = last - (last - first) / 3 if side == "right" else first + (last - first) / 3
    keep = position[None, :] <= cut[:, None] if side == "right" else position[None, :] >= cut[:, None]
    return np.asarray(keep[:, None, :])


def _median_row(mask: Mask) -> int:
    profile = mask.sum(axis=(0, 2)).cumsum()
    return int(np.searchsorted(profile, profile[-1] / 2))


def _spine_front(spine: Mask) -> NDArray[np.intp]:
    """Return the y index of the spine's anterior edge per slice, [z, 1, 1]; the array's end where there is no spine."""
    rows = spine.any(axis=2)
    position = np.arange(spine.shape[1])
    return np.asarray(np.where(rows, position, spine.shape[1]).min(axis=1)[:, None, None])
