"""Reads one frontal chest radiograph into the form every encoder takes. Called by the preparation of a study."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.processing import apply_color_lut

from dicom_services.objects.attributes import numbers, text, words
from dicom_services.objects.cropping import patient_box
from dicom_services.objects.grayscale import Density, density
from dicom_services.objects.header import header_of
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.pixels import DecodeLimits, iter_frames
from dicom_services.objects.reasons import refusing
from radir_node.domain.study import Radiograph
from radir_node.errors import NotIndexable

SQUARE_WITHIN = 0.01
"""Pixels whose sides differ by less are square."""
MOST_STRETCHED = 4.0
"""A larger pixel aspect ratio is an error of the header."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
UPRIGHT = ("L", "F")
"""Patient Orientation of an upright frontal image: rows run to the patient's left, columns to the feet."""

Pixels = NDArray[np.float32]


def read_radiograph(path: Path, limits: DecodeLimits | None = None) -> Radiograph:
    """Read the first frame of a radiograph as density in [0, 1], cropped, with square pixels.

    Whether the image is a frontal chest view is for why_not_frontal_chest to say. Raise NotIndexable with the
    reason when the pixels cannot be decoded or show nothing.
    """
    dataset = open_dataset(path)
    header = header_of(dataset)
    stored = next(iter_frames(dataset, limits=limits, wanted=(0,)), None)
    if stored is None:
        raise NotIndexable("no frame could be decoded")
    with refusing("the pixel values cannot be interpreted"):
        shown = density(dataset, stored) if stored.ndim == 2 and not _is_palette(dataset) else _grey(dataset, stored)
        top, bottom, left, right = patient_box(dataset, shown.pixels, shown.padding, shown.notes)
        pixels = shown.pixels[top:bottom, left:right]
        if float(np.ptp(pixels)) < 1 / 255:
            raise NotIndexable("the image is blank")
        pixels = _square(dataset, pixels, shown.notes)
        _note_orientation(dataset, shown.notes)
    return Radiograph(
        sop_instance_uid=header.sop_instance_uid,
        series_instance_uid=header.series_instance_uid,
        pixels=np.ascontiguousarray(pixels, dtype=np.float32),
        view_position=text(dataset, "ViewPosition").upper(),
        notes=tuple(shown.notes),
    )


def _is_palette(dataset: Dataset) -> bool:
    return text(dataset, "PhotometricInterpretation").upper() == "PALETTE COLOR"


def _grey(dataset: FileDataset, stored: NDArray[np.generic]) -> Density:
    """Make a grey picture of a colour one by luminance (Rec. 601), each stretched to its own depth."""
    colours = apply_color_lut(stored, dataset) if _is_palette(dataset) else stored
    depth = float(np.iinfo(colours.dtype).max) if np.issubdtype(colours.dtype, np.integer) else 1.0
    grey = colours[..., :3].astype(np.float32) @ _LUMINANCE / np.float32(depth)
    return Density(np.clip(grey, 0, 1), None, ["colour image made grey"])


def _square(dataset: Dataset, pixels: Pixels, notes: list[str]) -> Pixels:
    """Enlarge the side with the longer pixels so that pixels become square (spacing, or Pixel Aspect Ratio)."""
    sizes: tuple[float, ...] = ()
    for keyword in ("ImagerPixelSpacing", "PixelSpacing", "PixelAspectRatio"):
        sizes = sizes or numbers(dataset, keyword)
    if len(sizes) != 2 or min(sizes) <= 0:
        return pixels
    ratio = sizes[0] / sizes[1]
    if abs(ratio - 1) < SQUARE_WITHIN or not 1 / MOST_STRETCHED <= ratio <= MOST_STRETCHED:
        return pixels
    rows, columns = pixels.shape
    size = (columns, round(rows * ratio)) if ratio > 1 else (round(columns / ratio), rows)
    notes.append(f"pixels of aspect {ratio:.3f} made square")
    resized = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.float32)


def _note_orientation(dataset: Dataset, notes: list[str]) -> None:
    """Say when Patient Orientation is not that of an upright image; the picture is kept as every viewer shows it.

    Old detectors fill the attribute wrongly more often than they store a chest on its side.
    """
    orientation = tuple(part[:1] for part in words(dataset, "PatientOrientation"))
    if len(orientation) == 2 and all(orientation) and orientation != UPRIGHT:
        notes.append(f"Patient Orientation says {orientation[0]}, {orientation[1]}; the image is kept as stored")
