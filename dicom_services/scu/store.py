"""One C-STORE as SCU: the stored bytes as they are where the peer takes them so, else decompressed.

Called by send.py (push, demo) and by the sub-operations of scp/retrieve.py (C-MOVE, C-GET).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import _config as pynetdicom_config

from dicom_services.contexts import UNCOMPRESSED
from dicom_services.scp.ports import StoredObject
from dicom_services.scu.association import accepted

NOT_SENT = 0x0122
"""Status of our own for an object that was not sent: the peer takes its SOP class in no form that we can make."""

NO_RESPONSE = 0xC000
"""Status of our own when the association ended before the peer answered."""

_WORD_BYTES: Mapping[str, int] = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def store(association: Any, item: StoredObject, message_id: int, originator: tuple[str, int] | None = None) -> int:
    """Send one object and return the C-STORE status.

    originator: AE title and Message ID of the C-MOVE that caused it (PS3.7 9.3.1.1).
    """
    if not association.is_established:
        return NO_RESPONSE
    source = _source(association, item)
    if source is None:
        return NOT_SENT
    # The file's bytes go out as they are only in this mode; it is read nowhere but in send_c_store.
    pynetdicom_config.STORE_SEND_CHUNKED_DATASET = True
    title, origin_id = originator or (None, None)
    try:
        answer = association.send_c_store(source, message_id, 2, originator_aet=title, originator_id=origin_id)
    except (ValueError, RuntimeError, AttributeError, OSError):
        return NOT_SENT
    return int(answer.Status) if "Status" in answer else NO_RESPONSE


def succeeded(status: int) -> bool:
    """Success, or a warning with which the object is stored all the same (PS3.4 B.2.3)."""
    return status == 0 or warned(status)


def warned(status: int) -> bool:
    """Stored, but coerced or with elements discarded."""
    return status in (0xB000, 0xB006, 0xB007)


def _source(association: Any, item: StoredObject) -> Path | Dataset | None:
    """Return the file itself, a decompressed dataset, or None when the peer takes neither."""
    offered = accepted(association, item.sop_class_uid)
    if item.transfer_syntax_uid in offered:
        return item.path
    if not any(syntax in UNCOMPRESSED[:2] for syntax in offered):
        return None
    try:
        return decompressed(item.path)
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
