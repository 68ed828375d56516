"""Turns stored values of a radiograph into density in [0, 1], bright = dense. Called by radiograph.

The chain of PS3.3 C.11 (Modality LUT, VOI LUT, presentation shape), with a percentile window where the header gives
no usable one. Pixel padding never takes part.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from dicom_services.objects.attributes import integer, items, number, numbers, text, value, words

PERCENTILES = (0.5, 99.5)
"""Percent of the unpadded pixels that become black and white where no window is usable."""
MOST_SATURATED = 0.9
"""Share of clipped pixels from which a window of the header is disbelieved."""
_SAMPLED = 4096
"""Percentiles are taken of about this many squared pixels; more changes nothing visible."""

Values = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(slots=True)
class Density:
    """What became of one image: density [rows, columns] in [0, 1], the padding mask, and what was irregular."""

    pixels: Values
    padding: Mask | None
    notes: list[str] = field(default_factory=list)


def density(dataset: Dataset, stored: NDArray[np.generic]) -> Density:
    """Return the density of a monochrome image [rows, columns] of stored values."""
    padding = padding_mask(dataset, stored)
    result = Density(np.empty(0, np.float32), padding)
    values = modality_values(dataset, stored)
    content = values if padding is None else values[~padding]
    if not content.size:
        result.pixels = np.zeros(values.shape, np.float32)
        result.notes.append("all pixels are padding")
        return result
    if is_for_processing(dataset):
        result.notes.append("for-processing image, windowed by percentiles")
        result.pixels = _unprocessed(dataset, values, content)
    else:
        shown = _windowed(dataset, values, result)
        result.pixels = 1 - shown if is_inverted(dataset) else shown
    if padding is not None:
        result.pixels[padding] = 0
    return result


def padding_mask(dataset: Dataset, stored: NDArray[np.generic]) -> Mask | None:
    """Return where the image holds Pixel Padding Value or its range (PS3.3 C.7.5.1.1.2), or None when nowhere."""
    limits = padding_limits(dataset)
    if limits is None:
        return None
    mask: Mask = (stored >= limits[0]) & (stored <= limits[1])  # type: ignore[operator]  # stored values are integers
    return mask if mask.any() else None


def padding_limits(dataset: Dataset) -> tuple[int, int] | None:
    """Return the lowest and highest padding value, with the sign that Pixel Representation gives them."""
    first, second = (_signed(dataset, integer(dataset, key)) for key in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    if first is None:
        return None
    other = first if second is None else second
    return min(first, other), max(first, other)


def _signed(dataset: Dataset, stored: int | None) -> int | None:
    """Undo a padding value that was written as unsigned beside signed pixels."""
    bits = integer(dataset, "BitsAllocated") or 16
    if stored is not None and integer(dataset, "PixelRepresentation") == 1 and stored >= 1 << (bits - 1):
        return stored - (1 << bits)
    return stored


def modality_values(dataset: Dataset, stored: NDArray[np.generic]) -> Values:
    """Apply the Modality LUT or Rescale Slope and Intercept (PS3.3 C.11.1)."""
    table = _lut(next(iter(items(dataset, "ModalityLUTSequence")), None))
    if table is not None:
        return _looked_up(table, stored.astype(np.float32))
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    values = stored.astype(np.float32)
    return values * np.float32(slope or 1.0) + np.float32(intercept or 0.0)


def is_for_processing(dataset: Dataset) -> bool:
    """Say whether the image is raw detector data (Presentation Intent Type (0008,0068))."""
    return text(dataset, "PresentationIntentType").upper() == "FOR PROCESSING"


def is_inverted(dataset: Dataset) -> bool:
    """Say whether low values are shown bright: MONOCHROME1, or Presentation LUT Shape INVERSE (PS3.3 C.11.6).

    In a conforming object the two say the same, so they are not applied one after the other.
    """
    shape = text(dataset, "PresentationLUTShape").upper()
    return text(dataset, "PhotometricInterpretation").upper() == "MONOCHROME1" or shape == "INVERSE"


def _unprocessed(dataset: Dataset, values: Values, content: Values) -> Values:
    """Make density of detector values: logarithm of linear exposure, sign by Pixel Intensity Relationship Sign."""
    relationship = text(dataset, "PixelIntensityRelationship").upper()
    sign = integer(dataset, "PixelIntensityRelationshipSign")
    if relationship == "LIN":
        values = np.log1p(values - content.min()).clip(min=0)
        content = np.log1p(content - content.min())
    shown = _stretched(values, content)
    bright_is_exposed = sign == 1 if sign in (1, -1) else is_inverted(dataset)
    return 1 - shown if bright_is_exposed else shown


def _windowed(dataset: Dataset, values: Values, result: Density) -> Values:
    """Apply the first VOI LUT or window (PS3.3 C.11.2), or percentiles of the content where neither is usable."""
    content = values if result.padding is None else values[~result.padding]
    table = _lut(next(iter(items(dataset, "VOILUTSequence")), None))
    if table is not None:
        return _looked_up(table, values) / np.float32(max(int(table[1].max()), 1))
    shown = _by_window(dataset, values)
    if shown is not None:
        inside = shown if result.padding is None else shown[~result.padding]
        if float(np.mean((inside <= 0) | (inside >= 1))) <= MOST_SATURATED or content.min() == content.max():
            return shown
        result.notes.append("the header's window clips the image, replaced by percentiles")
    return _stretched(values, content)


def _by_window(dataset: Dataset, values: Values) -> Values | None:
    centres, widths = numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth")
    if not centres or not widths or widths[0] <= 0:
        return None
    centre, width = centres[0], widths[0]
    function = text(dataset, "VOILUTFunction").upper()
    if function == "SIGMOID":
        exponents = np.clip(np.float32(-4 / width) * (values - np.float32(centre)), -60, 60)
        return np.asarray(1 / (1 + np.exp(exponents)), np.float32)
    if function != "LINEAR_EXACT" and width > 1:  # PS3.3 C.11.2.1.2.1: LINEAR is defined half a value off
        centre, width = centre - 0.5, width - 1
    return np.asarray(np.clip((values - np.float32(centre)) / np.float32(width) + np.float32(0.5), 0, 1), np.float32)


def _stretched(values: Values, content: Values) -> Values:
    step = max(1, content.size // (_SAMPLED * 64))
    low, high = np.percentile(content.reshape(-1)[::step], PERCENTILES)
    if high <= low:
        low, high = float(content.min()), float(content.max())
    if high <= low:
        return np.zeros(values.shape, np.float32)
    return np.asarray(np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1), np.float32)


def _lut(item: Dataset | None) -> tuple[int, NDArray[np.uint16]] | None:
    """Return (first value mapped, table) of a LUT item (PS3.3 C.11.1.1.1), or None when there is none that is usable.

    The table's own maximum counts as white: writers declare 16 bits and fill 12.
    """
    if item is None:
        return None
    data = value(item, "LUTData")
    try:
        entries, first, bits = (int(part) for part in words(item, "LUTDescriptor"))
        packed = np.uint8 if isinstance(data, bytes) and len(data) == entries and bits <= 8 else np.uint16
        found = np.frombuffer(data, packed) if isinstance(data, bytes) else np.asarray(data, dtype=np.int64)
        table = (found.astype(np.int64)[: entries or 1 << 16] & 0xFFFF).astype(np.uint16)
    except (TypeError, ValueError, OverflowError):
        return None
    return (first, table) if table.size > 1 and int(table.max()) > 0 else None


def _looked_up(table: tuple[int, NDArray[np.uint16]], values: Values) -> Values:
    first, entries = table
    if first > np.iinfo(np.int16).max and float(values.min()) < 0:
        first -= 1 << 16  # written as unsigned beside signed values
    places = np.clip(np.rint(values).astype(np.int64) - first, 0, len(entries) - 1)
    return entries[places].astype(np.float32)
