"""Chooses frontal chest radiographs by their headers. Called by the ingest of a study before any pixel is decoded.

The rule: View Position, View Code Sequence, Series Description and View Name are heard together, and one that names
another view outvotes one that says frontal: consoles leave View Position at PA for the lateral that follows, the
reverse is rare, and a lateral in the index harms more than a frontal left out. Where these are silent, protocol and
processing names are asked, then Patient Orientation; where all are silent the image counts as frontal, because plain
portable chest images are the ones that come without a view.
"""

import re
from enum import StrEnum

from pydicom import uid
from pydicom.dataset import Dataset

from dicom_services.objects.attributes import integer, items, text, words
from dicom_services.objects.body_part import other_body_part

RADIOGRAPH_CLASSES = frozenset(
    {
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
    }
)
RADIOGRAPH_MODALITIES = frozenset({"CR", "DX"})
SMALLEST_SIDE = 64
"""Pixels. Icons and test stubs are smaller."""


class View(StrEnum):
    FRONTAL = "frontal"
    LATERAL = "lateral"
    OBLIQUE = "oblique"
    DECUBITUS = "decubitus"


_PATTERNS: tuple[tuple[View, re.Pattern[str]], ...] = (
    (View.DECUBITUS, re.compile(r"\b(LLD|RLD|DECUB\w*)\b")),
    (View.OBLIQUE, re.compile(r"\b(LAO|RAO|LPO|RPO|LLO|RLO|OBL\w*)\b")),
    (View.LATERAL, re.compile(r"\b(LL|RL|LAT|LATERAL\w*|LLAT|RLAT|SEITL\w*|PROFIL)\b")),
    (View.FRONTAL, re.compile(r"\b(AP|PA|FRONTAL\w*|ANTERO-?POSTERIOR|POSTERO-?ANTERIOR|PORTABLE|SUPINE|LIEGEND)\b")),
)
"""Order matters: "decubitus lateral" and "lateral oblique" are not laterals."""

_PLANE = {frozenset("LR"): "x", frozenset("AP"): "y", frozenset("HF"): "z"}


def why_not_frontal_chest(dataset: Dataset) -> str | None:
    """Return why the header is not that of a frontal chest radiograph ("lateral view", ...), or None when it is one."""
    view = view_of(dataset)
    if view not in (None, View.FRONTAL):
        return f"{view} view"
    elsewhere = other_body_part(dataset)
    if elsewhere:
        return f"not a chest radiograph ({elsewhere})"
    sides = integer(dataset, "Rows") or 0, integer(dataset, "Columns") or 0
    if 0 < min(sides) < SMALLEST_SIDE:
        return f"too small for a radiograph ({sides[0]} x {sides[1]} pixels)"
    return None


def view_of(dataset: Dataset) -> View | None:
    """Return the view that the header names, or None when it names none."""
    codes = [text(code, "CodeMeaning") for code in items(dataset, "ViewCodeSequence")]
    trusted = [*codes, *(text(dataset, keyword) for keyword in ("ViewPosition", "SeriesDescription", "ViewName"))]
    others = [text(dataset, keyword) for keyword in ("ProtocolName", "AcquisitionDeviceProcessingDescription")]
    for said in (trusted, others):
        named = [view for view in map(_named, said) if view is not None]
        if named:
            return next((view for view in named if view is not View.FRONTAL), View.FRONTAL)
    return _by_orientation(words(dataset, "PatientOrientation"))


def _named(said: str) -> View | None:
    """Find a view in words; where both are named ("PA and lateral") they tell nothing about one image."""
    spaced = said.upper().replace("_", " ")
    found = [view for view, pattern in _PATTERNS if pattern.search(spaced)]
    return None if View.FRONTAL in found and View.LATERAL in found else next(iter(found), None)


def _by_orientation(orientation: tuple[str, ...]) -> View | None:
    """Read the plane from the letters of Patient Orientation (PS3.3 C.7.6.1.1.1), e.g. L, F: frontal; A, F: lateral."""
    axes = [next((axis for letters, axis in _PLANE.items() if part[:1] in letters), "") for part in orientation if part]
    if sorted(axes) == ["x", "z"]:
        return View.FRONTAL
    return View.LATERAL if sorted(axes) == ["y", "z"] else None
