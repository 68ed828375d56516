"""Data sets of requests and responses: bytes <-> pydicom, in the transfer syntax of their context."""

from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import dsutils

from dicom_services.dimse.message import Message
from dicom_services.dul.association import Association
from dicom_services.dul.errors import ProtocolViolation


def encoded(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """Encode a data set that the node made."""
    syntax = UID(transfer_syntax_uid)
    data = dsutils.encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if data is None:
        raise ValueError("a data set could not be encoded")
    return bytes(data)


def decoded(message: Message, association: Association) -> Dataset:
    """Decode the data set of a message completely; an empty one where it has none. Raises ProtocolViolation."""
    syntax = UID(association.contexts[message.context_id].transfer_syntax)
    try:
        data = BytesIO(message.dataset or b"")
        dataset = dsutils.decode(data, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        dataset.decode()
    except Exception as error:  # whatever a peer's bytes make the parser raise
        raise ProtocolViolation(f"a data set cannot be read: {type(error).__name__}") from error
    return dataset  # type: ignore[no-any-return]  # pynetdicom carries no types
