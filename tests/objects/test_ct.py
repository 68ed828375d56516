"""A CT stack becomes one volume in patient orientation with its true spacing, however it was scanned and stored."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_services.objects.study import prepare_study
from radir_node.domain.study import CtVolume, InstanceHeader, Modality, PreparedStudy

Write = Callable[..., list[tuple[object, InstanceHeader]]]


def only_volume(prepared: PreparedStudy) -> CtVolume:
    assert prepared.modality is Modality.CT, dict(prepared.not_indexable)
    (volume,) = prepared.volumes
    return volume


def centre(volume: CtVolume, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the centre of a part in mm from the first voxel, as (z, y, x)."""
    return np.argwhere(inside).mean(axis=0) * np.array(volume.spacing_mm)


def marker_from_body(volume: CtVolume) -> NDArray[np.float64]:
    """Return where the marker lies from the middle of the body, in mm towards head, back, left."""
    return centre(volume, volume.hu > 700) - centre(volume, volume.hu > -990)


def assert_is_the_phantom(volume: CtVolume, within_mm: float = 6.0) -> None:
    assert np.abs(marker_from_body(volume) - np.array([70.0, -50.0, 60.0])).max() < within_mm
    assert (-1000, 1500) == (int(volume.hu[3:-3].min()), int(volume.hu.max()))
    assert abs(np.median(volume.hu[(volume.hu < -500) & (volume.hu > -950)]) + 850) < 5


def test_supine(ct_slices: Write) -> None:
    """Axes run up, to the back, to the left; spacing comes from positions, never from Slice Thickness."""
    volume = only_volume(prepare_study(ct_slices()))

    assert np.int16 == volume.hu.dtype
    assert (25, 36, 36) == volume.hu.shape
    assert (10.0, 10.0, 10.0) == volume.spacing_mm
    assert () == volume.notes
    assert_is_the_phantom(volume)


def test_shuffled(ct_slices: Write) -> None:
    """Neither Instance Number nor the order of arrival matters."""
    straight = only_volume(prepare_study(ct_slices()))
    order = random.Random(7).sample(range(25), 25)
    stored = ct_slices(order=order)
    random.Random(8).shuffle(stored)

    assert np.array_equal(straight.hu, only_volume(prepare_study(stored)).hu)


@pytest.mark.parametrize(
    "orientation",
    [
        pytest.param((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), id="feet first supine, as stored by patient coordinates"),
        pytest.param((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0), id="head first prone"),
        pytest.param((1.0, 0.0, 0.0, 0.0, -1.0, 0.0), id="feet first prone"),
        pytest.param((0.0, 1.0, 0.0, -1.0, 0.0, 0.0), id="decubitus"),
        pytest.param((0.0, -1.0, 0.0, -1.0, 0.0, 0.0), id="rows and columns exchanged"),
    ],
)
def test_every_patient_position(ct_slices: Write, plan: Callable[..., object], orientation: tuple[float, ...]) -> None:
    """The same body comes out the same in every patient position."""
    expected = only_volume(prepare_study(ct_slices()))

    volume = only_volume(prepare_study(ct_slices(plan(orientation=orientation))))

    assert np.array_equal(expected.hu, volume.hu)


def test_descending_tables(ct_slices: Write, plan: Callable[..., object]) -> None:
    """A scan from head to feet is turned with the feet first."""
    volume = only_volume(prepare_study(ct_slices(plan(tables=tuple(range(120, -121, -10))))))

    assert_is_the_phantom(volume)


@pytest.mark.parametrize("degrees", [-20.0, 12.0, 25.0])
def test_gantry_tilt(ct_slices: Write, plan: Callable[..., object], degrees: float) -> None:
    """A tilted stack is resampled to the patient's axes and says so."""
    tilted = plan(tilt_degrees=degrees, tables=tuple(range(-120, 121, 5)), spacing=5.0, size=72)

    volume = only_volume(prepare_study(ct_slices(tilted)))

    assert [f"tilt of {abs(degrees):.1f} degrees corrected by resampling to the patient's axes"] == list(volume.notes)
    assert np.allclose((5.0, 5.0, 5.0), volume.spacing_mm, atol=0.01)
    middle = volume.hu.shape[0] // 2
    low, body, high = (np.argwhere(volume.hu[middle + by] > -500).mean(axis=0) * 5 for by in (-8, 0, 8))
    marker = centre(volume, volume.hu > 700)
    assert np.abs(high - low).max() < 4, "the body stands upright"
    assert np.abs(marker[1:] - body - np.array([-50.0, 60.0])).max() < 4


def test_missing_slices(ct_slices: Write, plan: Callable[..., object]) -> None:
    """Missing slices are found by their gap, interpolated between their neighbours, and noted."""
    tables = [table for table in range(-120, 121, 10) if table not in (-60, 30)]
    whole = only_volume(prepare_study(ct_slices()))
    one = 6  # the place of table -60

    volume = only_volume(prepare_study(ct_slices(plan(tables=tuple(tables)))))

    assert ["2 missing slices interpolated"] == list(volume.notes)
    assert whole.hu.shape == volume.hu.shape
    assert (10.0, 10.0, 10.0) == volume.spacing_mm
    between = (whole.hu[one - 1].astype(float) + whole.hu[one + 1]) / 2
    assert np.abs(volume.hu[one] - between).max() <= 1


def test_long_gap(ct_slices: Write, plan: Callable[..., object]) -> None:
    """A gap too long to bridge cuts the stack: the longer part is used, the rest has its reason."""
    tables = (*range(-200, -160, 10), *range(-120, 121, 10))
    stored = ct_slices(plan(tables=tuple(tables)))

    prepared = prepare_study(stored)

    assert 25 == only_volume(prepared).hu.shape[0]
    assert {header.sop_instance_uid for _, header in stored[:4]} == set(prepared.not_indexable)
    assert {"lies beyond a gap of more than 25 mm"} == set(prepared.not_indexable.values())


def test_duplicate_positions(ct_slices: Write, plan: Callable[..., object]) -> None:
    """Of two slices at one place the later instance is left out, with a reason."""
    stored = ct_slices(plan(tables=(*range(-120, 121, 10), -50, -40)))

    prepared = prepare_study(stored)

    assert 25 == only_volume(prepared).hu.shape[0]
    assert {header.sop_instance_uid: "another slice is at its place" for _, header in stored[25:]} == dict(
        prepared.not_indexable
    )


def test_rescale_of_each_slice(ct_slices: Write) -> None:
    """Slope and intercept are those of the slice, not of the first one."""

    def rescaled(dataset: Dataset, index: int) -> None:
        stored = np.frombuffer(dataset.PixelData, np.uint16).astype(int)
        dataset.RescaleSlope, dataset.RescaleIntercept = (0.5, -1024 - index)
        dataset.PixelData = ((stored + index) * 2).astype(np.uint16).tobytes()

    volume = only_volume(prepare_study(ct_slices(change=rescaled)))

    assert_is_the_phantom(volume)


def test_padding(ct_slices: Write) -> None:
    """Padding outside the field of view is air, whatever its value."""

    def padded(dataset: Dataset, index: int) -> None:
        stored = np.frombuffer(dataset.PixelData, np.uint16).astype(np.int16).reshape(36, 36).copy()
        stored[:4] = -2000
        dataset.PixelRepresentation, dataset.PixelPaddingValue = 1, -2000
        dataset["PixelPaddingValue"].VR = "SS"
        dataset.PixelData = stored.tobytes()

    volume = only_volume(prepare_study(ct_slices(change=padded)))

    assert (-1024, -1024) == (int(volume.hu[:, :4].min()), int(volume.hu[:, :4].max()))


def test_unreadable_slice(ct_slices: Write) -> None:
    """One slice that cannot be decoded is interpolated and has its reason; the series stays."""

    def broken(dataset: Dataset, index: int) -> None:
        if index == 10:
            dataset.PixelData = dataset.PixelData[:100]

    stored = ct_slices(change=broken)
    prepared = prepare_study(stored)

    assert ["1 unreadable slices interpolated"] == list(only_volume(prepared).notes)
    assert [stored[10][1].sop_instance_uid] == list(prepared.not_indexable)
    assert_is_the_phantom(only_volume(prepared))


def test_too_many_unreadable(ct_slices: Write) -> None:
    """A series of which a third cannot be decoded is given up with the reason."""

    def broken(dataset: Dataset, index: int) -> None:
        if index % 3 == 0:
            dataset.PixelData = dataset.PixelData[:100]

    prepared = prepare_study(ct_slices(change=broken))

    assert prepared.modality is None
    assert 25 == len(prepared.not_indexable)
    assert all("9 of 25 slices" in reason for reason in prepared.not_indexable.values())


@pytest.mark.parametrize("order", [range(25), random.Random(3).sample(range(25), 25)], ids=["in order", "shuffled"])
def test_enhanced(enhanced_ct: Write, ct_slices: Write, order: list[int]) -> None:
    """An Enhanced CT object gives the same volume as its single slices, whatever the order of its frames."""
    expected = only_volume(prepare_study(ct_slices()))

    volume = only_volume(prepare_study(enhanced_ct(order)))

    assert np.array_equal(expected.hu, volume.hu)
    assert expected.spacing_mm == volume.spacing_mm


def test_enhanced_tilt(enhanced_ct: Write, plan: Callable[..., object]) -> None:
    """The geometry of enhanced frames goes the same way as that of slices."""
    tilted = plan(tilt_degrees=15.0)

    volume = only_volume(prepare_study(enhanced_ct(range(25), tilted)))

    assert any("tilt of 15.0 degrees" in note for note in volume.notes)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"SeriesDescription": "Topogram 0.6 T80s"}, "localizer"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "secondary capture, not a CT slice"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "MIP"]}, "projection or rendering, not a CT slice"),
        ({"RescaleType": "Z_EFF"}, "values are not Hounsfield units"),
        ({"BodyPartExamined": "HEAD"}, "not a chest CT (head)"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}, "not an axial series"),
        ({"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}, "rows and columns of the slice are not perpendicular"),
        ({"ImagePositionPatient": None}, "position, orientation or pixel spacing of the slice is missing"),
    ],
)
def test_turned_away(ct_slices: Write, attributes: dict[str, object], reason: str) -> None:
    """What is no axial chest CT slice has its reason."""

    def changed(dataset: Dataset, index: int) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    prepared = prepare_study(ct_slices(change=changed))

    assert prepared.modality is None
    assert {reason} == set(prepared.not_indexable.values())


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        (tuple(range(0, 70, 10)), "only 7 of at least 8 slices"),
        (tuple(range(0, 50, 5)), "covers 45 mm, less than 60 mm"),
    ],
)
def test_too_little(ct_slices: Write, plan: Callable[..., object], tables: tuple[int, ...], reason: str) -> None:
    """Too few slices, or too short a part of the body, are a reason."""
    prepared = prepare_study(ct_slices(plan(tables=tables)))

    assert {reason} == set(prepared.not_indexable.values())
