"""Frames are decoded in every listed transfer syntax, and refused before decoding where they would cost too much."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

from dicom_services.objects.codestream import coded_size
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.pixels import DECODING_PLUGIN, DecodeLimits, iter_frames
from radir_node.errors import NotIndexable

Write = Callable[..., Path]


@pytest.fixture
def compressed(radiograph: Write, save: Write, ramp: NDArray[np.uint16]) -> Callable[[str], Path]:
    """Write the ramp in a lossless compressed transfer syntax."""

    def write(syntax: str) -> Path:
        dataset = open_dataset(radiograph(ramp))
        dataset.compress(syntax)
        return save(dataset)

    return write


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_lossless(compressed: Callable[[str], Path], ramp: NDArray[np.uint16], syntax: str) -> None:
    """What was compressed without loss comes out as it was."""
    frames = list(iter_frames(open_dataset(compressed(syntax))))

    assert 1 == len(frames)
    assert np.array_equal(ramp, frames[0])


def test_first_choice_fails(
    compressed: Callable[[str], Path], ramp: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the preferred decoder cannot, the others are tried."""
    monkeypatch.setitem(DECODING_PLUGIN, uid.JPEGLSLossless, "pillow")  # type: ignore[arg-type]

    frames = list(iter_frames(open_dataset(compressed(uid.JPEGLSLossless))))

    assert np.array_equal(ramp, frames[0])


def test_wanted_frames(radiograph: Write) -> None:
    """Only the wanted frames of a multi-frame object are yielded, in order."""
    stack = np.arange(5 * 70 * 80, dtype=np.uint16).reshape(5, 70, 80)
    dataset = open_dataset(radiograph(stack, NumberOfFrames=5))

    frames = list(iter_frames(dataset, wanted=(1, 3)))

    assert [True, True] == [np.array_equal(a, b) for a, b in zip(stack[[1, 3]], frames, strict=True)]


@pytest.mark.parametrize(
    ("changes", "limits", "reason"),
    [
        ({"Rows": 60000, "Columns": 60000}, DecodeLimits(), "decoding would take 6866 MiB"),
        ({"NumberOfFrames": 10**9}, DecodeLimits(), "frames are more than the limit"),
        ({"Rows": 3000}, DecodeLimits(max_ratio=5, ratio_applies_from=1), "expands more than 5 times"),
        ({"Columns": 0}, DecodeLimits(), "not a size"),
        ({"NumberOfFrames": -3}, DecodeLimits(), "not a size"),
        ({"PixelData": None}, DecodeLimits(), "no pixel data"),
        ({"PixelData": b"12"}, DecodeLimits(), "cannot be decoded"),
        ({"BitsAllocated": None}, DecodeLimits(), "cannot be decoded"),
    ],
)
def test_refused(
    radiograph: Write, ramp: NDArray[np.uint16], changes: dict[str, object], limits: DecodeLimits, reason: str
) -> None:
    """Missing pixels, impossible sizes and costly expansions are reasons, found before anything is decoded."""
    dataset = open_dataset(radiograph(ramp, **changes))

    with pytest.raises(NotIndexable, match=reason):
        list(iter_frames(dataset, limits=limits))


def test_unknown_transfer_syntax(radiograph: Write, ramp: NDArray[np.uint16]) -> None:
    """A transfer syntax without decoder is a reason that names no UID."""
    dataset = open_dataset(radiograph(ramp))
    dataset.file_meta.TransferSyntaxUID = "1.2.826.0.1.3680043.8.498.9"

    with pytest.raises(NotIndexable, match="no decoder") as refused:
        list(iter_frames(dataset))

    assert "1.2.826" not in str(refused.value)


@pytest.mark.parametrize("syntax", [uid.JPEGLSLossless, uid.JPEG2000Lossless])
def test_frame_larger_than_header(compressed: Callable[[str], Path], syntax: str) -> None:
    """A compressed frame that declares more pixels than its header is refused before a decoder allocates them."""
    dataset = open_dataset(compressed(syntax))
    dataset.Rows = 10

    with pytest.raises(NotIndexable, match="declares 100 x 80 pixels"):
        list(iter_frames(dataset))


def test_coded_size() -> None:
    """The size in a frame's own header is read; garbage has none."""
    assert (256, 512) == coded_size(b"\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x0b\x08\x01\x00\x02\x00\x01")
    assert coded_size(b"\xff\xd8\xff\xe0\0\4abc") is None
    assert coded_size(b"\xff\x4f\xff\x51\0") is None
    assert coded_size(b"") is None


def test_every_listed_decoder_is_installed() -> None:
    """The table names only decoders that are there for their transfer syntax."""
    installed = {syntax: get_decoder(syntax).available_plugins for syntax in DECODING_PLUGIN}
    absent = {syntax for syntax, plugin in DECODING_PLUGIN.items() if plugin not in installed[syntax]}

    assert set() == absent
