"""Coded concepts of the similar-case documents. Read by enhanced.py and the conformance statement.

No concept for similarity or rank exists in DCM, SCT or NCIt; the private scheme 99RADIR holds what is missing, and
every document that uses it says so in its Coding Scheme Identification Sequence (PS3.3 C.12.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from highdicom.sr import CodedConcept

PRIVATE_SCHEME = "99RADIR"
PRIVATE_SCHEME_NAME = "RadIR node concepts of similar-case search"
PRIVATE_SCHEME_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Code:
    """One coded concept: value, coding scheme designator, meaning."""

    value: str
    scheme: str
    meaning: str

    def concept(self) -> Any:
        """Return the item of a code sequence."""
        return CodedConcept(self.value, self.scheme, self.meaning)


def _private(value: str, meaning: str) -> Code:
    return Code(value, PRIVATE_SCHEME, meaning)


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


SIMILARITY_SCORE = _private("SIM-001", "Similarity score")
INDEX_SNAPSHOT = _private("SIM-004", "Index snapshot")

PRIVATE_CODES: Mapping[Code, str] = MappingProxyType(
    {
        SIMILARITY_SCORE: "Positive part of the cosine between the vectors of query and case, in percent",
        INDEX_SNAPSHOT: "Identifier of the state of the searched index",
    }
)
"""The published scheme: code -> definition."""

DIAGNOSTIC_IMAGING_REPORT = Code("18748-4", "LN", "Diagnostic Imaging Report")
ENGLISH = Code("en", "RFC5646", "English")
LATERALITY = Code("272741003", "SCT", "Laterality")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
PERCENT = Code("%", "UCUM", "Percent")

LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
OBSERVER_TYPE = _dcm("121005", "Observer Type")
DEVICE = _dcm("121007", "Device")
DEVICE_OBSERVER_UID = _dcm("121012", "Device Observer UID")
DEVICE_OBSERVER_NAME = _dcm("121013", "Device Observer Name")
DEVICE_OBSERVER_MANUFACTURER = _dcm("121014", "Device Observer Manufacturer")
DEVICE_OBSERVER_MODEL = _dcm("121015", "Device Observer Model Name")
PROCEDURE_DESCRIPTIONS = _dcm("121064", "Current Procedure Descriptions")
PROCEDURE_DESCRIPTION = _dcm("121065", "Procedure Description")
FINDINGS = _dcm("121070", "Findings")
FINDING = _dcm("121071", "Finding")
CONCLUSIONS = _dcm("121076", "Conclusions")
CONCLUSION = _dcm("121077", "Conclusion")
PROCESSING_EQUIPMENT = _dcm("109102", "Processing Equipment")
