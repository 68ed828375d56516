"""Writers of small DICOM files, one per kind of object that dicom_services.objects reads."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

from dicom_services.objects.header import read_header
from radir_node.domain.study import InstanceHeader

Stored = list[tuple[Path, InstanceHeader]]
Vector = tuple[float, float, float]

SUPINE_HEAD_FIRST = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Dataset], Path]:
    """Write a data set as a Part 10 file; attributes that every object needs are filled in."""

    numbers = itertools.count()

    def write(dataset: Dataset) -> Path:
        dataset.setdefault("SOPInstanceUID", generate_uid(entropy_srcs=[str(tmp_path), str(next(numbers))]))
        dataset.setdefault("StudyInstanceUID", "1.2.826.0.1.3680043.8.498.77")
        dataset.setdefault("SeriesInstanceUID", "1.2.826.0.1.3680043.8.498.77.1")
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        if not hasattr(dataset, "file_meta"):
            dataset.file_meta = meta
        path = tmp_path / f"{next(numbers):04}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def ramp() -> NDArray[np.uint16]:
    """A picture [100, 80] that rises from 100 at the top to 4000 at the bottom, and a little from left to right."""
    rows = np.linspace(100, 3300, 100)[:, None]
    return (rows + np.linspace(0, 700, 80)[None, :]).astype(np.uint16)


@pytest.fixture
def radiograph(save: Callable[[Dataset], Path]) -> Callable[..., Path]:
    """Write a frontal CR of the given stored values; keyword arguments set or (None) leave out attributes."""

    def write(pixels: NDArray[np.generic], **attributes: object) -> Path:
        dataset = Dataset()
        dataset.SOPClassUID = ComputedRadiographyImageStorage
        dataset.Modality = "CR"
        dataset.BodyPartExamined = "CHEST"
        dataset.ViewPosition = "PA"
        set_pixels(dataset, pixels)
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        return save(dataset)

    return write


def set_pixels(dataset: Dataset, pixels: NDArray[np.generic], photometric: str = "MONOCHROME2") -> None:
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1] if colour else pixels.shape[-2:]
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else photometric
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.add_new("PixelData", "OB" if pixels.dtype.itemsize == 1 else "OW", pixels.tobytes())


@dataclass(frozen=True)
class Phantom:
    """A body of water with two lungs and a dense marker at the upper left front, in patient coordinates (mm)."""

    marker: Vector = (60.0, -50.0, 70.0)

    def hu(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return HU at points [..., 3] = x (left), y (back), z (head)."""
        x, y, z = np.moveaxis(points, -1, 0)
        values = np.where((x / 150) ** 2 + (y / 110) ** 2 < 1, 0.0, -1000.0)
        lung = ((np.abs(x) - 70) / 50) ** 2 + (y / 70) ** 2 + (z / 100) ** 2 < 1
        values = np.where(lung, -850.0, values)
        distance = np.linalg.norm(points - np.array(self.marker), axis=-1)
        return np.where(distance < 22, 1500.0, values)


@dataclass(frozen=True)
class CtPlan:
    """How a phantom is scanned. Positions are those of the table along the body, in mm."""

    tables: tuple[float, ...] = tuple(range(-120, 121, 10))
    orientation: tuple[float, ...] = SUPINE_HEAD_FIRST
    tilt_degrees: float = 0.0
    spacing: float = 10.0
    size: int = 36


def grid(plan: CtPlan, table: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the points [rows, columns, 3] of a slice, its first point and its orientation."""
    row, column = np.array(plan.orientation[:3]), np.array(plan.orientation[3:])
    if plan.tilt_degrees:  # the gantry tilts about the patient's x axis
        angle = math.radians(plan.tilt_degrees)
        column = column * math.cos(angle) + np.array([0, 0, math.sin(angle)])
    half = (plan.size - 1) / 2 * plan.spacing
    first = np.array([0, 0, table]) - half * row - half * column
    steps = np.arange(plan.size) * plan.spacing
    points = first + steps[:, None, None] * column + steps[None, :, None] * row
    return points, first, np.concatenate([row, column])


@pytest.fixture
def plan() -> type[CtPlan]:
    """How a phantom is scanned; keyword arguments change the plain axial scan."""
    return CtPlan


@pytest.fixture
def ct_slices(save: Callable[[Dataset], Path]) -> Callable[..., Stored]:
    """Scan the phantom slice by slice; `change(dataset, index)` may spoil each before it is saved."""

    def write(
        plan: CtPlan | None = None,
        order: Sequence[int] | None = None,
        change: Callable[[Dataset, int], None] | None = None,
        series: str = "1",
    ) -> Stored:
        plan = plan or CtPlan()
        stored: Stored = []
        for index, table in enumerate(plan.tables):
            points, first, orientation = grid(plan, table)
            dataset = Dataset()
            dataset.SOPClassUID = CTImageStorage
            dataset.Modality = "CT"
            dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
            dataset.SeriesInstanceUID = f"1.2.826.0.1.3680043.8.498.77.{series}"
            dataset.InstanceNumber = (order[index] if order else index) + 1
            dataset.ImagePositionPatient = [round(float(part), 4) for part in first]
            dataset.ImageOrientationPatient = [round(float(part), 6) for part in orientation]
            dataset.PixelSpacing = [plan.spacing, plan.spacing]
            dataset.SliceThickness = 99
            dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
            set_pixels(dataset, (Phantom().hu(points) + 1024).clip(0).astype(np.uint16))
            if change:
                change(dataset, index)
            path = save(dataset)
            stored.append((path, read_header(path)))
        return stored

    return write


@pytest.fixture
def enhanced_ct(save: Callable[[Dataset], Path]) -> Callable[..., Stored]:
    """Scan the phantom into one Enhanced CT object, its frames in the given order."""

    def write(order: Sequence[int], plan: CtPlan | None = None) -> Stored:
        plan = plan or CtPlan()
        dataset = Dataset()
        dataset.SOPClassUID = EnhancedCTImageStorage
        dataset.Modality = "CT"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        dataset.NumberOfFrames = len(order)
        shared, frames, stored = Dataset(), [], []
        shared.PixelMeasuresSequence = [_item(PixelSpacing=[plan.spacing, plan.spacing], SliceThickness=99)]
        shared.PixelValueTransformationSequence = [_item(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")]
        for place in order:
            points, first, orientation = grid(plan, plan.tables[place])
            frame = Dataset()
            frame.PlanePositionSequence = [_item(ImagePositionPatient=[round(float(part), 4) for part in first])]
            frame.FrameContentSequence = [_item(StackID="1", InStackPositionNumber=place + 1)]
            shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[round(float(p), 6) for p in orientation])]
            frames.append(frame)
            stored.append((Phantom().hu(points) + 1024).clip(0).astype(np.uint16))
        dataset.SharedFunctionalGroupsSequence = [shared]
        dataset.PerFrameFunctionalGroupsSequence = frames
        set_pixels(dataset, np.stack(stored))
        path = save(dataset)
        return [(path, read_header(path))]

    return write


@pytest.fixture
def sr_document(save: Callable[[Dataset], Path]) -> Callable[..., Path]:
    """Write a Structured Report with the given content items under its root."""

    def write(
        content: Sequence[Dataset],
        title: tuple[str, str, str] = ("18748-4", "LN", "Diagnostic imaging report"),
        **more: object,
    ) -> Path:
        dataset = Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SOPClassUID = BasicTextSRStorage
        dataset.Modality = "SR"
        dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
        dataset.ConceptNameCodeSequence = [coded(*title)]
        dataset.ContentSequence = list(content)
        for keyword, value in more.items():
            setattr(dataset, keyword, value)
        return save(dataset)

    return write


def coded(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


@pytest.fixture
def content_item() -> Callable[..., Dataset]:
    """Make one content item: (value type, (code, scheme, meaning), relationship, attributes)."""

    def make(kind: str, name: tuple[str, str, str], relationship: str = "CONTAINS", **attributes: object) -> Dataset:
        return _item(
            RelationshipType=relationship, ValueType=kind, ConceptNameCodeSequence=[coded(*name)], **attributes
        )

    return make


def _item(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset
