"""One C-STORE as SCU: the stored bytes as they are where the peer takes them so, else decompressed.

Called by send.py (push, demo) and by the sub-operations of scp/retrieve.py (C-MOVE, C-GET). The command names the
object by its dataset and not, as pynetdicom's own send_c_store would, by what its file meta information claims.
"""

import time
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode, split_dataset

from dicom_services.contexts import UNCOMPRESSED
from dicom_services.scp.ports import StoredObject
from dicom_services.scu.association import accepted

NOT_SENT = 0x0122
"""Status of our own for an object that was not sent: the peer takes its SOP class in no form that we can make."""

NO_RESPONSE = 0xC000
"""Status of our own when the association ended before the peer answered."""

_LITTLE_ENDIAN = UNCOMPRESSED[:2]
_MEDIUM = 0
_WORD_BYTES: Mapping[str, int] = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def store(association: Any, item: StoredObject, message_id: int, originator: tuple[str, int] | None = None) -> int:
    """Send one object and return the C-STORE status.

    originator: AE title and Message ID of the C-MOVE that caused it (PS3.7 9.3.1.1).
    """
    if not association.is_established:
        return NO_RESPONSE
    request = C_STORE()
    context_id = _attach(association, item, request)
    if context_id is None:
        return NOT_SENT
    request.MessageID = message_id
    request.Priority = _MEDIUM
    request.AffectedSOPClassUID = item.sop_class_uid
    request.AffectedSOPInstanceUID = item.sop_instance_uid
    if originator is not None:
        request.MoveOriginatorApplicationEntityTitle, request.MoveOriginatorMessageID = originator
    return _answer(association, request, context_id)


def succeeded(status: int) -> bool:
    """Success, or a warning with which the object is stored all the same (PS3.4 B.2.3)."""
    return status == 0 or warned(status)


def warned(status: int) -> bool:
    """Stored, but coerced or with elements discarded."""
    return status in (0xB000, 0xB006, 0xB007)


def _attach(association: Any, item: StoredObject, request: Any) -> int | None:
    """Give the request its dataset and return the context to send it in; None when the peer takes it in no form."""
    offered = accepted(association, item.sop_class_uid)
    as_stored = offered.get(item.transfer_syntax_uid)
    if as_stored is not None:
        request._dataset_path = (item.path, split_dataset(item.path)[1])  # streamed from the file, piece by piece
        return as_stored
    for syntax in _LITTLE_ENDIAN:
        if syntax in offered:
            data = _decompressed_bytes(item.path, implicit=syntax == _LITTLE_ENDIAN[1])
            request.DataSet = BytesIO(data) if data else None
            return offered[syntax] if data else None
    return None


def _decompressed_bytes(path: Path, *, implicit: bool) -> bytes | None:
    try:
        return encode(decompressed(path), implicit, True)  # type: ignore[no-any-return]  # pynetdicom carries no types
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


def _answer(association: Any, request: Any, context_id: int) -> int:
    """Send a request and wait for its response, with the association's own reader held back meanwhile."""
    association._reactor_checkpoint.clear()
    try:
        while not association._is_paused and association.is_established:
            time.sleep(0.0001)
        association.dimse.send_msg(request, context_id)
        _, response = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    if response is None or response.Status is None:
        if association.is_established:
            association.abort()
        return NO_RESPONSE
    return int(response.Status)
