"""Frontal chest radiographs are chosen by the header's words."""

import pytest
from pydicom.dataset import Dataset

from dicom_services.objects.views import View, view_of, why_not_frontal_chest


def header(**attributes: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def view_code(meaning: str) -> list[Dataset]:
    return [header(CodeValue="1", CodingSchemeDesignator="SCT", CodeMeaning=meaning)]


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({"ViewPosition": "PA"}, View.FRONTAL),
        ({"ViewPosition": "AP_SUPINE"}, View.FRONTAL),
        ({"ViewPosition": "LL"}, View.LATERAL),
        ({"ViewPosition": "LATERAL"}, View.LATERAL),
        ({"ViewPosition": "RLD"}, View.DECUBITUS),
        ({"ViewPosition": "RAO"}, View.OBLIQUE),
        ({"ViewCodeSequence": view_code("postero-anterior")}, View.FRONTAL),
        ({"ViewCodeSequence": view_code("left lateral")}, View.LATERAL),
        ({"SeriesDescription": "Thorax seitl."}, View.LATERAL),
        ({"SeriesDescription": "CHEST LAT"}, View.LATERAL),
        ({"SeriesDescription": "W034 Chest_PA"}, View.FRONTAL),
        ({"SeriesDescription": "Chest PA and lateral"}, None),
        ({"SeriesDescription": "Chest PA and lateral", "ViewPosition": "LL"}, View.LATERAL),
        ({"ViewPosition": "PA", "SeriesDescription": "Lateral"}, View.LATERAL),
        ({"ViewPosition": "PA", "ProtocolName": "CHEST LAT"}, View.FRONTAL),
        ({"ProtocolName": "CHEST LAT"}, View.LATERAL),
        ({"PatientOrientation": ["L", "F"]}, View.FRONTAL),
        ({"PatientOrientation": ["A", "F"]}, View.LATERAL),
        ({"PatientOrientation": ["P", "FL"]}, View.LATERAL),
        ({"PatientOrientation": ["", ""]}, None),
        ({"SeriesDescription": "Chest"}, None),
        ({"StudyDescription": "Chest, 2 views, frontal and lateral"}, None),
        ({}, None),
    ],
)
def test_view(attributes: dict[str, object], view: View | None) -> None:
    """Another view that is named outvotes a frontal one; a study's description says nothing about one image."""
    assert view == view_of(header(**attributes))


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({}, None),
        ({"BodyPartExamined": "CHEST"}, None),
        ({"BodyPartExamined": "KNEE"}, "not a chest radiograph (knee)"),
        ({"BodyPartExamined": "ABDOMEN", "SeriesDescription": "Chest PA"}, None),
        ({"StudyDescription": "XR HAND LEFT"}, "not a chest radiograph (hand)"),
        ({"StudyDescription": "Thorax und Abdomen"}, None),
        ({"BodyPartExamined": "CSPINE"}, "not a chest radiograph (cspine)"),
        ({"StudyDescription": "XR THORACIC SPINE AP"}, "not a chest radiograph (spine)"),
        ({"SeriesDescription": "Thoracolumbar AP"}, "not a chest radiograph (thoracolumbar)"),
        ({"BodyPartExamined": "RIB"}, "not a chest radiograph (rib)"),
        ({"ViewPosition": "LL", "BodyPartExamined": "CHEST"}, "lateral view"),
        ({"Rows": 32, "Columns": 300}, "too small for a radiograph (32 x 300 pixels)"),
    ],
)
def test_reason(attributes: dict[str, object], reason: str | None) -> None:
    """An image is turned away only when the header contradicts a frontal chest view."""
    assert reason == why_not_frontal_chest(header(**attributes))
