"""Reads where each CT slice lies and how its values become Hounsfield units, from one header, classic or enhanced.

Called by the choice of a CT series. Enhanced multi-frame objects keep the same facts in functional groups, per frame or
shared by all (PS3.3 C.7.6.16); here both kinds become the same CtSlice.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import uid
from pydicom.dataset import Dataset

from dicom_services.objects.attributes import integer, items, numbers, text, words
from dicom_services.objects.body_part import other_body_part
from dicom_services.objects.grayscale import padding_limits
from radir_node.errors import NotIndexable

ENHANCED_CLASSES = frozenset({uid.EnhancedCTImageStorage, uid.LegacyConvertedEnhancedCTImageStorage})
CT_CLASSES = ENHANCED_CLASSES | {uid.CTImageStorage}

CT_KEYWORDS = (
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality"),
    *("SeriesDescription", "StudyDescription", "ProtocolName", "BodyPartExamined", "AnatomicRegionSequence"),
    *("ConvolutionKernel", "AcquisitionNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient"),
    *("SamplesPerPixel", "Rows", "Columns", "NumberOfFrames", "PixelSpacing", "BitsAllocated", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
"""All that slices_of looks at, so that a header is read without its private groups."""

_LOCALIZER = re.compile(r"\b(SCOUT|TOPO\w*|LOCALI[SZ]ER|SURVIEW|SCANOGRAM|PILOT)\b")
_PROJECTIONS = frozenset(
    {"MIP", "MINIP", "MAX_IP", "MIN_IP", "AVERAGE_IP", "VOLREN", "PROJECTION IMAGE", "CPR", "CURVED"}
)
_REFORMATTED = frozenset({"MPR", "REFORMATTED", "AVERAGE", "RESAMPLED", "MEAN"})
_HOUNSFIELD = frozenset({"", "HU", "US"})
"""US (unspecified) is what old writers put beside plain Hounsfield units."""

Vector = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CtSlice:
    """One slice in patient space. Directions are unit vectors, position and spacing in mm (PS3.3 C.7.6.2.1.1)."""

    path: Path
    sop_instance_uid: str
    frame: int
    rows: int
    columns: int
    position: Vector
    row_direction: Vector
    column_direction: Vector
    pixel_spacing: tuple[float, float]
    """Distance between rows, distance between columns."""
    slope: float
    intercept: float
    padding: tuple[int, int] | None
    stack: tuple[str, ...]
    """Stack ID and temporal position of an enhanced frame: slices of different stacks never mix."""
    number: tuple[int, int]
    """Acquisition Number and Instance Number: which of two slices at one place is kept, never how they are sorted."""
    kernel: str
    reformatted: bool


def why_not_ct_slice(dataset: Dataset) -> str | None:
    """Return why the header is not that of a chest CT slice in Hounsfield units, or None when it may be one."""
    described = text(dataset, "SeriesDescription").upper().replace("_", " ")
    kinds = set(words(dataset, "ImageType"))
    if "LOCALIZER" in kinds or _LOCALIZER.search(described):
        return "localizer"
    if (integer(dataset, "SamplesPerPixel") or 1) != 1:
        return "colour picture, not a CT slice"
    if text(dataset, "SOPClassUID") not in CT_CLASSES:
        return "secondary capture, not a CT slice"
    if kinds & _PROJECTIONS:
        return "projection or rendering, not a CT slice"
    if text(dataset, "RescaleType").upper() not in _HOUNSFIELD:
        return "values are not Hounsfield units"
    elsewhere = other_body_part(dataset)
    return f"not a chest CT ({elsewhere})" if elsewhere else None


def slices_of(path: Path, dataset: Dataset, sop_instance_uid: str) -> list[CtSlice]:
    """Return the slices of one instance: one, or one per frame that is neither localizer nor projection.

    Raise NotIndexable when position, orientation or spacing is missing, or no frame is a slice.
    """
    shared = next(iter(items(dataset, "SharedFunctionalGroupsSequence")), Dataset())
    per_frame = items(dataset, "PerFrameFunctionalGroupsSequence")
    if text(dataset, "SOPClassUID") not in ENHANCED_CLASSES:
        return [_slice(path, sop_instance_uid, dataset, 0, [dataset])]
    found = [
        _slice(path, sop_instance_uid, dataset, number, sources)
        for number, frame in enumerate(per_frame)
        if _is_slice(sources := list(_groups(frame, shared)))
    ]
    if not found:
        raise NotIndexable("no frame is a CT slice")
    return found


def _groups(frame: Dataset, shared: Dataset) -> Iterator[Dataset]:
    """Yield the functional group items that speak for a frame, its own before the shared ones."""
    for group in (frame, shared):
        for element in group:
            if element.VR == "SQ" and element.value:
                yield element.value[0]


def _is_slice(sources: list[Dataset]) -> bool:
    kinds = {word for source in sources for word in words(source, "FrameType")}
    rescale = next((text(source, "RescaleType").upper() for source in sources if "RescaleSlope" in source), "")
    return "LOCALIZER" not in kinds and not kinds & _PROJECTIONS and rescale in _HOUNSFIELD


def _slice(path: Path, sop_instance_uid: str, dataset: Dataset, frame: int, sources: list[Dataset]) -> CtSlice:
    position = _first(sources, "ImagePositionPatient", 3)
    directions = _first(sources, "ImageOrientationPatient", 6)
    spacing = _first(sources, "PixelSpacing", 2)
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if len(position) != 3 or len(directions) != 6 or len(spacing) != 2 or min(spacing) <= 0 or not rows or not columns:
        raise NotIndexable("position, orientation or pixel spacing of the slice is missing")
    row, column = _unit(directions[:3]), _unit(directions[3:])
    if abs(sum(a * b for a, b in zip(row, column, strict=True))) > 0.01:
        raise NotIndexable("rows and columns of the slice are not perpendicular")
    slope, intercept = _first(sources, "RescaleSlope", 1), _first(sources, "RescaleIntercept", 1)
    kinds = {
        word for source in (dataset, *sources) for key in ("ImageType", "FrameType") for word in words(source, key)
    }
    return CtSlice(
        path=path,
        sop_instance_uid=sop_instance_uid,
        frame=frame,
        rows=rows,
        columns=columns,
        position=_vector(position),
        row_direction=row,
        column_direction=column,
        pixel_spacing=(spacing[0], spacing[1]),
        slope=slope[0] if slope and slope[0] != 0 else 1.0,
        intercept=intercept[0] if intercept else 0.0,
        padding=padding_limits(dataset),
        stack=(_word(sources, "StackID"), _word(sources, "TemporalPositionIndex")),
        number=(integer(dataset, "AcquisitionNumber") or 0, integer(dataset, "InstanceNumber") or 0),
        kernel=_word(sources, "ConvolutionKernel"),
        reformatted=bool(kinds & _REFORMATTED),
    )


def _first(sources: list[Dataset], keyword: str, length: int) -> tuple[float, ...]:
    found = (numbers(source, keyword) for source in sources if keyword in source)
    return next((values for values in found if len(values) >= length), ())


def _word(sources: list[Dataset], keyword: str) -> str:
    return next((text(source, keyword) for source in sources if keyword in source), "")


def _vector(values: tuple[float, ...]) -> Vector:
    return values[0], values[1], values[2]


def _unit(values: tuple[float, ...]) -> Vector:
    length = sum(part * part for part in values) ** 0.5
    if length < 0.5:
        raise NotIndexable("orientation of the slice is not a direction")
    return values[0] / length, values[1] / length, values[2] / length
