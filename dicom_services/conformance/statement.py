"""The whole statement in the outline of PS3.2 Annex N. Called by __main__.py and by the test that compares."""

from pathlib import Path

from dicom_services.conformance.annexes import attribute_mapping, code_sets, information_objects, structured_reports
from dicom_services.conformance.configuration import configuration
from dicom_services.conformance.document import Section, contents, rendered, wrapped
from dicom_services.conformance.network import network
from dicom_services.conformance.overview import implementation_model, introduction, overview
from dicom_services.conformance.security import security, security_details
from dicom_services.conformance.services import services

STATEMENT = Path(__file__).parent.with_name("CONFORMANCE.md")


def statement() -> str:
    """Return the statement as Markdown."""
    contents_here = Section("Table of Contents")
    others = [introduction(), implementation_model(), services(), configuration(), network(), security()]
    numbered = [overview(), contents_here, *others]
    annexes = [information_objects(), structured_reports(), security_details(), attribute_mapping(), code_sets()]
    lettered = [(f"A.{letter}", annex) for letter, annex in zip("ABCDE", annexes, strict=True)]
    listed = [*contents(numbered), *(f"- Annex {place} {annex.title}" for place, annex in lettered)]
    numbered[1] = Section(contents_here.title, ("\n".join(listed),))
    parts = ["# RadIR node: DICOM Conformance Statement", *rendered(numbered)]
    for place, annex in lettered:
        parts += [
            f"## Annex {place} {annex.title}",
            *map(wrapped, annex.blocks),
            *rendered(annex.parts, f"{place}.", 3),
        ]
    return "\n\n".join(parts) + "\n"
