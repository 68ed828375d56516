"""Takes encapsulated documents out of their objects: PDF and CDA (PS3.3 A.45). Called by report_text.

How they are read is the business of radir_node.documents.
"""

from pydicom.dataset import Dataset

from dicom_services.objects.attributes import value
from radir_node.documents import cda, pdf
from radir_node.errors import NotIndexable


def pdf_text(document: Dataset) -> str:
    """Return the text layer of an Encapsulated PDF; "" of a scan. Raise NotIndexable as documents.pdf does."""
    return pdf.pdf_text(_payload(document))


def cda_text(document: Dataset) -> str:
    """Return the sections of an Encapsulated CDA document. Raise NotIndexable as documents.cda does."""
    return cda.cda_text(_payload(document))


def _payload(document: Dataset) -> bytes:
    found = value(document, "EncapsulatedDocument")
    if not isinstance(found, bytes):
        raise NotIndexable("the encapsulated document is empty")
    return found
