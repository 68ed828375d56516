"""Says from the header's words whether an image shows something else than the chest. Called by the choice of images.

Body Part Examined (0018,0015) is often empty and sometimes wrong, so the descriptions count too: an image is turned
away only when a word names another region and none names the chest.
"""

import re

from pydicom.dataset import Dataset

from dicom_services.objects.attributes import items, text

_CHEST = re.compile(
    r"CHEST|THORA(?!C\w*[ .-]*(?:SPINE|VERTEB|COL)|COL)|TORAX|LUNG|PULM|BRUST|POUMON|C?CXR|\bCHST|\bTHX|HEART|CARDIAC"
    r"|HERZ|MEDIASTIN|PECTUS"
)
_ELSEWHERE = re.compile(
    r"\b(ABDOM\w*|PELVI\w*|BECKEN|HEAD|SKULL|BRAIN|CRANI\w*|NEURO|SINUS\w*|ORBIT\w*|FACI\w*|JAW|MANDIBLE|TEETH|DENTAL|NECK"
    r"|[CTL]?-?SPINE\w*|[HBL]WS|WIRBEL\w*|THORACOLUMBAR|CERVICAL|LUMBAR|SACRUM|COCCYX|SSPINE|HAND|WRIST|FINGER|THUMB|ELBOW"
    r"|FOREARM|HUMERUS|ARM|SHOULDER|CLAVICLE|SCAPULA|STERNUM|RIBS?|BREAST|MAMMO\w*|HIP|FEMUR|KNEE|PATELLA|LEG|TIBIA"
    r"|FIBULA|ANKLE|FOOT|TOE|CALCANEUS|EXTREMIT\w*|KIDNEY|URINARY|BLADDER|COLON|LIVER|PROSTATE|UTERUS|HEEL)\b"
)


def other_body_part(dataset: Dataset) -> str:
    """Return the word that names a region other than the chest, or "" when nothing contradicts the chest."""
    body_part = text(dataset, "BodyPartExamined").upper()
    regions = [text(item, "CodeMeaning").upper() for item in items(dataset, "AnatomicRegionSequence")]
    keywords = ("SeriesDescription", "StudyDescription", "ProtocolName", "PerformedProcedureStepDescription")
    said = [body_part, *regions, *(text(dataset, keyword).upper().replace("_", " ") for keyword in keywords)]
    if any(_CHEST.search(part) for part in said):
        return ""
    match = next(filter(None, map(_ELSEWHERE.search, said)), None)
    return match[0].lower() if match else ""
