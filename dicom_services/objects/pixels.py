"""Decodes frames, one at a time, by the measured best decoder of each transfer syntax, within limits checked before.

Called by the readers of radiographs and CT. No pixel is changed here: stored values come out, colour as RGB.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_frames
from pydicom.pixels.decoders.base import get_decoder

from dicom_services.objects.attributes import integer, text, value
from dicom_services.objects.codestream import coded_size
from dicom_services.objects.reasons import refusing
from radir_node.errors import NotIndexable

DECODING_PLUGIN: Mapping[str, str] = {
    uid.JPEGBaseline8Bit: "pylibjpeg",
    uid.JPEGExtended12Bit: "pylibjpeg",
    uid.JPEGLossless: "gdcm",
    uid.JPEGLosslessSV1: "gdcm",
    uid.JPEGLSLossless: "pyjpegls",
    uid.JPEGLSNearLossless: "pyjpegls",
    uid.JPEG2000Lossless: "pylibjpeg",
    uid.JPEG2000: "pylibjpeg",
    uid.HTJ2KLossless: "pylibjpeg",
    uid.HTJ2KLosslessRPCL: "pylibjpeg",
    uid.HTJ2K: "pylibjpeg",
    uid.RLELossless: "pylibjpeg",
}
"""First choice per transfer syntax; where it fails on a frame, pydicom tries the others in its own order."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What decoding one instance may cost."""

    max_bytes: int = 2 << 30
    """Bytes of all decoded frames together."""
    max_frames: int = 4096
    max_ratio: int = 2000
    """Decoded to compressed bytes, judged from ratio_applies_from bytes on: blank pictures compress without end."""
    ratio_applies_from: int = 256 << 20


def check_expansion(dataset: Dataset, limits: DecodeLimits) -> int:
    """Return the number of frames. Raise NotIndexable when there are no pixels or decoding would pass a limit."""
    stored = value(dataset, "PixelData")
    if not isinstance(stored, (bytes, bytearray)) or not stored:
        raise NotIndexable("no pixel data")
    rows, columns = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    frames = integer(dataset, "NumberOfFrames") or 1
    if rows <= 0 or columns <= 0 or frames < 0:
        raise NotIndexable("Rows, Columns or Number of Frames is missing or not a size")
    if frames > limits.max_frames:
        raise NotIndexable(f"{frames} frames are more than the limit of {limits.max_frames}")
    sample_bytes = -(-(integer(dataset, "BitsAllocated") or 8) // 8) * max(integer(dataset, "SamplesPerPixel") or 1, 1)
    decoded = rows * columns * frames * sample_bytes
    if decoded > limits.max_bytes:
        raise NotIndexable(f"decoding would take {decoded >> 20} MiB, the limit is {limits.max_bytes >> 20} MiB")
    if decoded > limits.ratio_applies_from and decoded > limits.max_ratio * len(stored):
        raise NotIndexable(f"pixel data expands more than {limits.max_ratio} times")
    return frames


def iter_frames(
    dataset: FileDataset, *, limits: DecodeLimits | None = None, wanted: Iterable[int] | None = None
) -> Iterator[NDArray[np.generic]]:
    """Yield frames as stored values [rows, columns], or RGB / YBR-converted [rows, columns, 3].

    wanted: ascending frame numbers from 0, all by default. Raise NotIndexable with the reason when a limit or a decoder
    stops it.
    """
    count = check_expansion(dataset, limits or DecodeLimits())
    numbers = None if wanted is None else list(wanted)
    syntax = transfer_syntax(dataset)
    with refusing("no decoder for this transfer syntax"):
        decoder = get_decoder(syntax)
    if decoder.is_encapsulated:
        _check_coded_sizes(dataset, count)
    todo = count if numbers is None else len(numbers)
    done = 0
    try:
        preferred = decoder.iter_array(dataset, indices=numbers, decoding_plugin=DECODING_PLUGIN.get(syntax, ""))
        for frame, _ in islice(preferred, todo):
            yield frame
            done += 1
    except Exception:  # noqa: BLE001 - native decoders raise nearly any class; the rest goes to pydicom's own order
        rest = (numbers or list(range(count)))[done:]
        with refusing("the pixel data cannot be decoded", quote=True):
            for frame, _ in decoder.iter_array(dataset, indices=rest):
                yield frame


def transfer_syntax(dataset: FileDataset) -> str:
    """Return the Transfer Syntax UID, or the one by which a file without it was read."""
    declared = text(dataset.file_meta, "TransferSyntaxUID")
    if declared:
        return declared
    implicit, little = dataset.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if little else uid.ExplicitVRBigEndian


def _check_coded_sizes(dataset: Dataset, frames: int) -> None:
    declared = (integer(dataset, "Rows") or 0) * (integer(dataset, "Columns") or 0)
    with refusing("the compressed pixel data cannot be split into frames"):
        for frame in generate_frames(dataset.PixelData, number_of_frames=frames):
            size = coded_size(frame)
            if size is not None and size[0] * size[1] > declared:
                raise NotIndexable(f"a compressed frame declares {size[0]} x {size[1]} pixels, more than its header")
