"""Reads the readable text of a report object, of whichever kind. Called by the ingest use case for each document."""

from collections.abc import Callable, Mapping
from pathlib import Path

from pydicom import uid
from pydicom.dataset import Dataset

from dicom_services.objects.attributes import text
from dicom_services.objects.document_text import cda_text, pdf_text
from dicom_services.objects.header import header_of
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.reasons import refusing
from dicom_services.objects.sr_text import document_title, narrative
from radir_node.domain.report import ReportText

_SR_TRIALS = tuple(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in range(1, 5))
"""Text, Audio, Detail and Comprehensive SR Storage - Trial (retired)."""

READERS: Mapping[str, Callable[[Dataset], str]] = {
    uid.BasicTextSRStorage: narrative,
    uid.EnhancedSRStorage: narrative,
    uid.ComprehensiveSRStorage: narrative,
    uid.Comprehensive3DSRStorage: narrative,
    uid.ExtensibleSRStorage: narrative,
    uid.EncapsulatedPDFStorage: pdf_text,
    uid.EncapsulatedCDAStorage: cda_text,
    **dict.fromkeys(_SR_TRIALS, narrative),
}
"""SOP classes that can hold a narrative report, and what reads them."""


def read_report(path: Path) -> ReportText | None:
    """Return the text of a narrative report, or None when the object is no report.

    Dose, CAD and measurement documents and the node's own similar-case documents are no reports. Raise NotIndexable
    when the object should be one and cannot be read.
    """
    document = open_dataset(path, pixels=False)
    header = header_of(document)
    reader = READERS.get(header.sop_class_uid)
    if reader is None:
        return None
    with refusing("the report cannot be read"):
        said = reader(document)
        title = text(document, "DocumentTitle") or document_title(document)
    return ReportText(header.sop_instance_uid, said, title) if said else None
