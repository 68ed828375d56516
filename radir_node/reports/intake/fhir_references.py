"""What a DiagnosticReport refers to: its study, its patient, the people around it (FHIR R4 and R5, References).

Only what the resource itself holds is read, contained resources included; nothing is fetched.
"""

from collections.abc import Iterator

from radir_node.reports.intake.completeness import is_uid
from radir_node.reports.intake.json_elements import Element

_ACCESSION = "ACSN"
_DICOM_UID = "urn:dicom:uid"
_OID = "urn:oid:"
_PATIENT_TYPES = ("MR", "PI")
_OTHER_NUMBERS = frozenset({"PLAC", "FILL", "MR", "PI", "VN", "SS"})
"""Types of identifiers (HL7 v2 table 0203) that are no accession number."""


class Contained:
    """The resources inside a report, by their local references."""

    def __init__(self, report: Element) -> None:
        self.resources = list(report.elements("contained"))
        self._by_reference = {f"#{name}": resource for resource in self.resources if (name := resource.text("id"))}

    def targets(self, parent: Element, *names: str) -> Iterator[Element]:
        """Yield references and what is contained of them, the reference first: both may carry an identifier."""
        for name in names:
            for reference in parent.elements(name):
                yield reference
                found = self._by_reference.get(reference.text("reference"))
                if found is not None:
                    yield found


def kind_of(identifier: Element) -> str:
    """Return the code of an identifier's type, "" where it has none."""
    return next((coding.text("code").upper() for coding in identifier.element("type").elements("coding")), "")


def accession_numbers(report: Element, contained: Contained) -> list[str]:
    """Return values of type ACSN at the report, its study and its orders, else the report's identifiers of no type."""
    places = (report, *contained.targets(report, "imagingStudy", "study", "basedOn"))
    own = [identifier for place in places for identifier in place.elements("identifier")]
    typed = [identifier.text("value") for identifier in own if kind_of(identifier) == _ACCESSION]
    if any(typed):
        return typed
    untyped = (
        one for one in report.elements("identifier") if kind_of(one) not in _OTHER_NUMBERS and not study_uid(one)
    )
    return [identifier.text("value") for identifier in untyped]


def study_uids(report: Element, contained: Contained) -> list[str]:
    """Return the Study Instance UIDs of imagingStudy (R4) and study (R5)."""
    studies = contained.targets(report, "imagingStudy", "study")
    identifiers = [identifier for study in studies for identifier in study.elements("identifier")]
    return [uid for identifier in (*identifiers, *report.elements("identifier")) if (uid := study_uid(identifier))]


def study_uid(identifier: Element) -> str:
    """Return the UID of an identifier of system urn:dicom:uid, "" of another; its value is an OID as a URN."""
    value = identifier.text("value").removeprefix(_OID)
    is_dicom = identifier.text("system") == _DICOM_UID or identifier.text("value").startswith(_OID)
    return value if is_dicom and is_uid(value) else ""


def patient(report: Element, contained: Contained) -> tuple[str, str]:
    """Return patient ID and issuer (name of the assigner) of the best identifier of the subject.

    The system is a URI, which no image has as its issuer: without an assigner the source's own is meant.
    """
    found = [one for target in contained.targets(report, "subject") for one in target.elements("identifier")]
    ranked = sorted((one for one in found if one.text("value")), key=lambda one: kind_of(one) not in _PATIENT_TYPES)
    for best in ranked:
        return best.text("value"), best.element("assigner").text("display")
    return "", ""


def people(report: Element, contained: Contained) -> Iterator[str]:
    """Yield the names of all people in the resource: displays of references, names of contained resources."""
    names = ("subject", "performer", "resultsInterpreter", "encounter")
    for target in contained.targets(report, *names):
        yield target.text("display")
        yield from (one.text("value") for one in target.elements("identifier") if kind_of(one) in _PATIENT_TYPES)
    for resource in contained.resources:
        if resource.text("resourceType") in ("Patient", "Practitioner", "RelatedPerson", "Person"):
            for name in resource.elements("name"):
                yield name.text("text")
                yield "^".join((name.text("family"), *name.texts("given")))
        for role in ("practitioner", "requester"):
            yield from (reference.text("display") for reference in resource.elements(role))
