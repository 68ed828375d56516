"""A radiograph comes out as density: bright = dense, cropped to the patient, square pixels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from dicom_services.objects.radiograph import read_radiograph
from radir_node.errors import NotIndexable

Write = Callable[..., Path]
Picture = NDArray[np.uint16]


def bottom_is_brighter(pixels: NDArray[np.float32]) -> bool:
    return float(pixels[-20:].mean()) > float(pixels[:20].mean()) + 0.3


def test_monochrome2(radiograph: Write, ramp: Picture) -> None:
    """High values of MONOCHROME2 are dense; the result is float32 in [0, 1]."""
    image = read_radiograph(radiograph(ramp))

    assert np.float32 == image.pixels.dtype
    assert (100, 80) == image.pixels.shape
    assert 0 <= image.pixels.min() < image.pixels.max() <= 1
    assert bottom_is_brighter(image.pixels)
    assert "PA" == image.view_position


def test_monochrome1(radiograph: Write, ramp: Picture) -> None:
    """MONOCHROME1 is inverted, once, also where Presentation LUT Shape says the same again."""
    plain = read_radiograph(radiograph(ramp)).pixels
    inverted = read_radiograph(radiograph(ramp, PhotometricInterpretation="MONOCHROME1")).pixels
    shaped = radiograph(ramp, PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")

    assert np.allclose(1 - plain, inverted, atol=1e-6)
    assert np.array_equal(inverted, read_radiograph(shaped).pixels)


def test_window(radiograph: Write, ramp: Picture) -> None:
    """The first window is applied as PS3.3 C.11.2.1.2 defines LINEAR."""
    image = read_radiograph(radiograph(ramp, WindowCenter=[2000, 100], WindowWidth=[3001, 1]))

    expected = np.clip((ramp.astype(float) - 1999.5) / 3000 + 0.5, 0, 1)
    assert np.allclose(expected, image.pixels, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR_EXACT", lambda x: np.clip((x - 2000) / 3000 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 3000))),
    ],
)
def test_voi_lut_function(
    radiograph: Write, ramp: Picture, function: str, expected: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    """VOI LUT Function LINEAR_EXACT and SIGMOID follow PS3.3 C.11.2.1.3."""
    image = read_radiograph(radiograph(ramp, WindowCenter=2000, WindowWidth=3000, VOILUTFunction=function))

    assert np.allclose(expected(ramp.astype(float)), image.pixels, atol=1e-5)


def test_window_after_rescale(radiograph: Write, ramp: Picture) -> None:
    """The window acts on rescaled values."""
    plain = radiograph(ramp, WindowCenter=2000, WindowWidth=3000)
    rescaled = radiograph(ramp, RescaleSlope=2, RescaleIntercept=-1000, WindowCenter=3000, WindowWidth=5999)

    assert np.allclose(read_radiograph(plain).pixels, read_radiograph(rescaled).pixels, atol=1e-3)


def test_useless_window(radiograph: Write, ramp: Picture) -> None:
    """A window that clips nearly everything is replaced by percentiles, and noted."""
    image = read_radiograph(radiograph(ramp, WindowCenter=40000, WindowWidth=100))

    assert bottom_is_brighter(image.pixels)
    assert any("percentiles" in note for note in image.notes)


@pytest.mark.parametrize("bits", [12, 16])
def test_voi_lut(radiograph: Write, ramp: Picture, bits: int) -> None:
    """A VOI LUT goes before the window; its own maximum is white even where more bits are declared."""
    table = (np.arange(4096) ** 2 // 4096).astype(np.uint16)
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, bits], table.tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"

    image = read_radiograph(radiograph(ramp, VOILUTSequence=[item], WindowCenter=1, WindowWidth=2))

    assert np.allclose(table[ramp] / table.max(), image.pixels, atol=1e-6)


def test_modality_lut(radiograph: Write, ramp: Picture) -> None:
    """A Modality LUT is applied before the window."""
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [4096, 0, 16], (4095 - np.arange(4096)).astype(np.uint16).tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"

    image = read_radiograph(radiograph(ramp, ModalityLUTSequence=[item], WindowCenter=2048, WindowWidth=4096))

    assert bottom_is_brighter(1 - image.pixels)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding(radiograph: Write, ramp: Picture, photometric: str) -> None:
    """Padding takes no part in the window, is black, and its empty rows and columns are cut off."""
    padded = np.full((160, 120), 65535, np.uint16)
    padded[30:130, 20:100] = ramp
    padded[60, 50] = 65535
    plain = read_radiograph(radiograph(ramp, PhotometricInterpretation=photometric)).pixels

    image = read_radiograph(radiograph(padded, PixelPaddingValue=65535, PhotometricInterpretation=photometric))

    assert (100, 80) == image.pixels.shape
    assert 0 == image.pixels[30, 30]
    assert np.allclose(plain[50:], image.pixels[50:], atol=0.01)


def test_signed_padding_range(radiograph: Write, ramp: Picture) -> None:
    """A range of padding below signed pixels is recognised although its value was written as unsigned."""
    signed = ramp.astype(np.int16)
    signed[:, :5] = -2000
    dataset_path = radiograph(signed, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1990)

    image = read_radiograph(dataset_path)

    assert (100, 75) == image.pixels.shape


@pytest.mark.parametrize("name", ["Collimator", "Shutter"])
def test_rectangle(radiograph: Write, ramp: Picture, name: str) -> None:
    """The rectangle of collimator or shutter is cut out; its edges count from 1."""
    edges = {"LeftVerticalEdge": 6, "RightVerticalEdge": 75, "UpperHorizontalEdge": 11, "LowerHorizontalEdge": 90}
    path = radiograph(ramp, **{f"{name}Shape": "RECTANGULAR"}, **{f"{name}{edge}": at for edge, at in edges.items()})

    image = read_radiograph(path)

    assert (80, 70) == image.pixels.shape
    assert np.allclose(read_radiograph(radiograph(ramp)).pixels[10:90, 5:75], image.pixels, atol=0.02)


def test_impossible_rectangle(radiograph: Write, ramp: Picture) -> None:
    """A collimator that would leave next to nothing is disbelieved and noted."""
    edges = {"LeftVerticalEdge": -184, "RightVerticalEdge": 18, "UpperHorizontalEdge": 90, "LowerHorizontalEdge": 99}
    path = radiograph(ramp, CollimatorShape="RECTANGULAR", **{f"Collimator{edge}": at for edge, at in edges.items()})

    image = read_radiograph(path)

    assert (100, 80) == image.pixels.shape
    assert any("collimator" in note for note in image.notes)


def test_dark_border(radiograph: Write, ramp: Picture) -> None:
    """A black border is cut although no attribute names it."""
    framed = np.zeros((140, 100), np.uint16)
    framed[20:120, 10:90] = ramp

    assert (100, 80) == read_radiograph(radiograph(framed)).pixels.shape


@pytest.mark.parametrize(
    ("attributes", "shape"),
    [
        ({"ImagerPixelSpacing": [0.4, 0.2]}, (200, 80)),
        ({"PixelSpacing": [0.1, 0.2]}, (100, 160)),
        ({"PixelAspectRatio": [3, 2]}, (150, 80)),
        ({"ImagerPixelSpacing": [0.1433, 0.1430]}, (100, 80)),
        ({"PixelAspectRatio": [0, 2]}, (100, 80)),
    ],
)
def test_aspect(radiograph: Write, ramp: Picture, attributes: dict[str, object], shape: tuple[int, int]) -> None:
    """Pixels become square by enlarging the side of the longer pixels."""
    assert shape == read_radiograph(radiograph(ramp, **attributes)).pixels.shape


@pytest.mark.parametrize(("relationship", "sign"), [("LIN", 1), ("LOG", 1), ("LOG", -1), ("LIN", -1)])
def test_for_processing(radiograph: Write, ramp: Picture, relationship: str, sign: int) -> None:
    """Detector data become density: sign 1 means that more exposure has higher values."""
    exposure = ramp[::-1] if sign == 1 else ramp
    path = radiograph(
        exposure,
        SOPClassUID=DigitalXRayImageStorageForProcessing,
        PresentationIntentType="FOR PROCESSING",
        PixelIntensityRelationship=relationship,
        PixelIntensityRelationshipSign=sign,
    )

    assert bottom_is_brighter(read_radiograph(path).pixels)


def test_colour(radiograph: Write, ramp: Picture) -> None:
    """An RGB radiograph becomes grey by luminance."""
    grey = (ramp // 16).astype(np.uint8)

    image = read_radiograph(radiograph(np.stack([grey] * 3, axis=-1)))

    assert np.allclose(grey / 255, image.pixels, atol=0.01)


def test_palette(radiograph: Write, ramp: Picture) -> None:
    """A palette picture is looked up before it becomes grey."""
    path = radiograph(
        (ramp // 16).astype(np.uint8),
        PhotometricInterpretation="PALETTE COLOR",
        **{f"{c}PaletteColorLookupTableDescriptor": [256, 0, 16] for c in ("Red", "Green", "Blue")},
        **{
            f"{c}PaletteColorLookupTableData": (65535 - np.arange(256) * 257).astype(np.uint16).tobytes()
            for c in ("Red", "Green", "Blue")
        },
    )

    assert bottom_is_brighter(1 - read_radiograph(path).pixels)


def test_orientation_is_noted(radiograph: Write, ramp: Picture) -> None:
    """Patient Orientation that is not upright is noted, and the picture stays as stored."""
    plain = read_radiograph(radiograph(ramp, PatientOrientation=["L", "F"]))
    odd = read_radiograph(radiograph(ramp, PatientOrientation=["H", "L"]))

    assert () == plain.notes
    assert np.array_equal(plain.pixels, odd.pixels)
    assert any("Patient Orientation" in note for note in odd.notes)


@pytest.mark.parametrize("value", [0, 500, 65535])
def test_blank(radiograph: Write, value: int) -> None:
    """A picture of one value shows nothing."""
    with pytest.raises(NotIndexable, match="blank"):
        read_radiograph(radiograph(np.full((100, 100), value, np.uint16)))
