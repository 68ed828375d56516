"""Makes the small picture of a study that pages and sheets show. Called by ingest once a study is prepared."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from radir_node.domain.study import CtVolume, PreparedStudy, Preview

LARGEST_SIDE = 512
"""Pixels: both sides of a radiograph, the height of a CT pair."""
LUNG_WINDOW = (-600.0, 1500.0)
"""Centre and width in HU."""
_LUNG_RANGE = (-980, -500)
_SAMPLING = 4
_GAP = 4

Bytes = NDArray[np.uint8]


def preview(prepared: PreparedStudy) -> Preview | None:
    """Return the first radiograph, or an axial and a coronal CT section side by side; None when nothing was readable.

    The CT sections pass through the lungs; they are shown as radiologists see them (patient's left on the right) at
    their true proportions.
    """
    if prepared.volumes:
        return Preview(_sections(prepared.volumes[0]))
    if prepared.radiographs:
        pixels = np.rint(prepared.radiographs[0].pixels * 255).astype(np.uint8)
        return Preview(_resized(pixels, (1.0, 1.0), min(LARGEST_SIDE / max(pixels.shape), 1.0)))
    return None


def _sections(volume: CtVolume) -> Bytes:
    hu, (slice_mm, row_mm, column_mm) = volume.hu, volume.spacing_mm
    sampled = hu[:, ::_SAMPLING, ::_SAMPLING]
    lung = (sampled > _LUNG_RANGE[0]) & (sampled < _LUNG_RANGE[1])
    axial = _windowed(hu[int(lung.sum(axis=(1, 2)).argmax())])
    coronal = _windowed(hu[::-1, _middle(lung.sum(axis=(0, 2))) * _SAMPLING])
    scale = min(LARGEST_SIDE / max(axial.shape[0] * row_mm, coronal.shape[0] * slice_mm), 1 / min(row_mm, column_mm))
    parts = [_resized(axial, (row_mm, column_mm), scale), _resized(coronal, (slice_mm, column_mm), scale)]
    height = max(part.shape[0] for part in parts)
    framed = [np.pad(part, (_centred(height - part.shape[0]), (0, 0))) for part in parts]
    return np.concatenate([framed[0], np.zeros((height, _GAP), np.uint8), framed[1]], axis=1)


def _middle(counts: NDArray[np.int_]) -> int:
    """Return where half of the counted voxels are passed: table and clothing pull a maximum, not the median."""
    return int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))


def _centred(spare: int) -> tuple[int, int]:
    return spare // 2, spare - spare // 2


def _windowed(hu: NDArray[np.int16]) -> Bytes:
    centre, width = LUNG_WINDOW
    grey = np.clip((hu.astype(np.float32) - centre) / width + 0.5, 0, 1) * 255
    return np.asarray(np.rint(grey), np.uint8)


def _resized(pixels: Bytes, pixel_mm: tuple[float, float], scale: float) -> Bytes:
    """Show pixels of the given height and width in mm at scale pixels per mm."""
    height, width = pixels.shape[0] * pixel_mm[0] * scale, pixels.shape[1] * pixel_mm[1] * scale
    size = max(round(width), 1), max(round(height), 1)
    resized = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(resized, np.uint8)
