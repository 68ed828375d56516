"""One C-STORE as SCU: the stored bytes as they are where the peer takes them so, else decompressed.

Called by delivery.py (push, demo, C-MOVE sub-operations) and by the C-GET sub-operations of scp/retrieval. The
command names the object by its data set and not by what its file meta information claims.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dsutils import encode

from dicom_services.dimse.command import CommandField, Value
from dicom_services.dimse.message import Message
from dicom_services.dul.association import Association, FileRegion
from dicom_services.objects.stored_object import StoredObject, dataset_offset
from dicom_services.scu.association import LITTLE_ENDIAN, MEDIUM, accepted, status_of

NOT_SENT = 0x0122
"""Status of our own for an object that was not sent: the peer takes its SOP class in no form that we can make."""

NO_RESPONSE = 0x10000
"""Status of our own when the association ended before the peer answered; no status on the wire is as large."""

UNREADABLE = 0xC001
"""Status of our own for a path that is not a DICOM file (PS3.10), or cannot be read."""

_WORD_BYTES: Mapping[str, int] = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}

ResponseTo = Callable[[int], Message]
"""Message ID of a request -> the response to it."""


def store(
    association: Association,
    item: StoredObject,
    message_id: int,
    response_to: ResponseTo,
    originator: tuple[str, int] | None = None,
) -> int:
    """Send one object and return the C-STORE status.

    originator: AE title and Message ID of the C-MOVE that caused it (PS3.7 9.3.1.1). Raises AssociationEnded when the
    association ends before the peer answered: whether it holds the object is not known then.
    """
    command: dict[str, Value] = {
        "CommandField": int(CommandField.C_STORE),
        "MessageID": message_id,
        "Priority": MEDIUM,
        "AffectedSOPClassUID": item.sop_class_uid,
        "AffectedSOPInstanceUID": item.sop_instance_uid,
    }
    if originator is not None:
        command["MoveOriginatorApplicationEntityTitle"], command["MoveOriginatorMessageID"] = originator
    try:
        form = _form(association, item)
        if form is None:
            return NOT_SENT
        association.send(form[0], command, form[1])
    except OSError:
        return UNREADABLE
    return status_of(response_to(message_id))


def succeeded(status: int) -> bool:
    """Success, or a warning with which the object is stored all the same (PS3.4 B.2.3)."""
    return status == 0 or warned(status)


def warned(status: int) -> bool:
    """Stored, but coerced or with elements discarded."""
    return status in (0xB000, 0xB006, 0xB007)


def _form(association: Association, item: StoredObject) -> tuple[int, bytes | FileRegion] | None:
    """Return the context to send an object in, and its data set; None when the peer takes it in no form."""
    offered = accepted(association, item.sop_class_uid)
    as_stored = offered.get(item.transfer_syntax_uid)
    if as_stored is not None:
        return as_stored, FileRegion(item.path, dataset_offset(item.path))
    for syntax in LITTLE_ENDIAN:
        if syntax in offered:
            data = _decompressed_bytes(item.path, implicit=syntax == LITTLE_ENDIAN[1])
            return (offered[syntax], data) if data else None
    return None


def _decompressed_bytes(path: Path, *, implicit: bool) -> bytes | None:
    try:
        return encode(decompressed(path), implicit, True)  # type: ignore[no-any-return]  # pynetdicom carries no types
    except OSError:
        raise
    except Exception:  # noqa: BLE001  # decoders raise whatever their C libraries make of a broken stream
        return None


def decompressed(path: Path) -> Dataset:
    """Read a file as an uncompressed little endian dataset with the same SOP Instance UID.

    Raises whatever the decoder of its transfer syntax raises.
    """
    dataset = dcmread(path)
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_compressed and not syntax.is_deflated:
        dataset.decompress(generate_instance_uid=False)
    big_endian = not syntax.is_little_endian
    for element in dataset.iterall():  # touching an element decodes it, whatever the encoding it was read from
        if big_endian:
            _swap_words(element)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_original_encoding(False, True)
    return dataset


def _swap_words(element: DataElement) -> None:
    """Turn an element of binary words to little endian; pydicom converts numbers but not these."""
    width = _WORD_BYTES.get(element.VR)
    if width and element.value:
        element.value = np.frombuffer(element.value, f">u{width}").astype(f"<u{width}").tobytes()
