"""Names the sections of narrative reports as radiologists write them, whatever language the document's codes speak.

The meaning decides where it is a known English name (writers pair codes and meanings wrongly), then the code does
(PS3.16 CID 7001 and 7002, LOINC of CDA imaging reports), else the meaning is used as it stands. Called by the readers
of SR and CDA, and by the intake of HL7 and FHIR.
"""

from collections.abc import Mapping

_BY_MEANING: Mapping[str, str] = {
    "history": "HISTORY",
    "clinical history": "HISTORY",
    "clinical information": "HISTORY",
    "indication": "INDICATION",
    "indications": "INDICATION",
    "indications for procedure": "INDICATION",
    "reason for study": "INDICATION",
    "request": "REQUEST",
    "technique": "TECHNIQUE",
    "procedure": "TECHNIQUE",
    "procedure description": "TECHNIQUE",
    "current procedure descriptions": "TECHNIQUE",
    "comparison": "COMPARISON",
    "prior procedure descriptions": "COMPARISON",
    "previous findings": "PREVIOUS FINDINGS",
    "finding": "FINDINGS",
    "findings": "FINDINGS",
    "impression": "IMPRESSION",
    "impressions": "IMPRESSION",
    "conclusion": "CONCLUSION",
    "conclusions": "CONCLUSION",
    "summary": "SUMMARY",
    "recommendation": "RECOMMENDATION",
    "recommendations": "RECOMMENDATION",
    "addendum": "ADDENDUM",
}
_BY_CODE: Mapping[str, str] = {
    "121060": "HISTORY",
    "11329-0": "HISTORY",
    "121109": "INDICATION",
    "18785-6": "INDICATION",
    "121062": "REQUEST",
    "121064": "TECHNIQUE",
    "121065": "TECHNIQUE",
    "55111-9": "TECHNIQUE",
    "121066": "COMPARISON",
    "121067": "COMPARISON",
    "18834-2": "COMPARISON",
    "121068": "PREVIOUS FINDINGS",
    "121069": "PREVIOUS FINDINGS",
    "121070": "FINDINGS",
    "121071": "FINDINGS",
    "59776-5": "FINDINGS",
    "18782-3": "FINDINGS",
    "121072": "IMPRESSION",
    "121073": "IMPRESSION",
    "19005-8": "IMPRESSION",
    "121074": "RECOMMENDATION",
    "121075": "RECOMMENDATION",
    "18783-1": "RECOMMENDATION",
    "121076": "CONCLUSION",
    "121077": "CONCLUSION",
    "121078": "ADDENDUM",
    "55107-7": "ADDENDUM",
    "121111": "SUMMARY",
    "55112-7": "SUMMARY",
}

SILENT_HEADINGS = frozenset({"HISTORY", "INDICATION", "REQUEST", "TECHNIQUE", "COMPARISON", "RECOMMENDATION"})
"""Of those, headings of sections that do not speak of the images: the parser finds nothing under them."""


def known_heading(concept: tuple[str, str]) -> str | None:
    """Return the customary heading of a (code value, code meaning) that names a section, else None."""
    code, meaning = concept
    return _BY_MEANING.get(meaning.strip(" :").lower()) or _BY_CODE.get(code)


def heading_of(concept: tuple[str, str]) -> str:
    """Return the customary heading, else the meaning in upper case ("" where there is none)."""
    return known_heading(concept) or concept[1].strip(" :").upper()
