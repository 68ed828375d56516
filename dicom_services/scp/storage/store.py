"""One C-STORE: pieces of a data set -> durable in the spool -> a status. Called by association.py.

Success is returned only when the object is durable in the spool. The catalogue learns of it from registrar.py.
"""

from contextlib import suppress
from enum import IntEnum

from dicom_services.objects.announced import identity_of
from dicom_services.objects.attributes import text, valid_uid
from dicom_services.objects.header import HEADER_KEYWORDS, header_of
from dicom_services.objects.part10 import MAX_FILE_BYTES, open_dataset
from dicom_services.scp.storage.spool import Incoming, Part, Spool
from radir_node.domain.stored import Refusal
from radir_node.errors import NotIndexable, StorageFull


class StoreStatus(IntEnum):
    """Statuses of a C-STORE response (PS3.4 B.2.3)."""

    SUCCESS = 0x0000
    CLASS_NOT_SUPPORTED = 0x0122
    OUT_OF_RESOURCES = 0xA700
    DATASET_MISMATCH = 0xA900
    CANNOT_UNDERSTAND = 0xC000


class _Refused(Exception):
    """The object is not taken; reason is free of identifiers."""

    def __init__(self, status: StoreStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Receiving:
    """The data set of one C-STORE on its way to the disk; a sink of dul.association.

    What goes wrong meanwhile is kept until `finish`: the rest of the data set must be read before the answer.
    """

    def __init__(self, incoming: Incoming, spool: Spool) -> None:
        self._incoming = incoming
        self._spool = spool
        self._part: Part | None = None
        self._failure: StoreStatus | None = None
        self._size = 0
        if not (valid_uid(incoming.sop_class_uid) and valid_uid(incoming.sop_instance_uid)):
            self._refuse(StoreStatus.CANNOT_UNDERSTAND, "the C-STORE command holds no valid UIDs")
            return
        try:
            self._part = spool.begin(incoming)
        except (StorageFull, OSError):
            self._failure = StoreStatus.OUT_OF_RESOURCES

    def write(self, data: memoryview) -> None:
        if self._part is None:
            return
        self._size += len(data)
        try:
            if self._size > MAX_FILE_BYTES:
                raise OSError("an object is larger than any reader of the node takes")
            self._part.write(data)
        except OSError:
            self._failure = StoreStatus.OUT_OF_RESOURCES
            self.discard()

    def finish(self) -> StoreStatus:
        """Check who the object is, make it durable, and return the status to answer."""
        if self._part is None:
            return self._failure or StoreStatus.CANNOT_UNDERSTAND
        try:
            self._check(self._part)
            self._spool.publish(self._part, self._incoming.calling_ae_title)
        except _Refused as refused:
            return self._refuse(refused.status, refused.reason)
        except OSError:
            return StoreStatus.OUT_OF_RESOURCES
        finally:
            self.discard()
        return StoreStatus.SUCCESS

    def discard(self) -> None:
        """Close the file, and remove it unless it was published. A second call does nothing."""
        if self._part is not None:
            self._part.close()
            self._part = None

    def _check(self, part: Part) -> None:
        """Raises _Refused unless the data set is the one that the command announced and has a place in a study."""
        announced = (self._incoming.sop_class_uid, self._incoming.sop_instance_uid)
        identity = identity_of(part.head, self._incoming.transfer_syntax_uid)
        if identity is None:
            _check_thoroughly(part, announced)
        elif (identity.sop_class_uid, identity.sop_instance_uid) != announced:
            _compare((identity.sop_class_uid, identity.sop_instance_uid), announced)

    def _refuse(self, status: StoreStatus, reason: str) -> StoreStatus:
        self._failure = status
        sop_class = self._incoming.sop_class_uid if valid_uid(self._incoming.sop_class_uid) else ""
        with suppress(OSError):  # the peer is told all the same; a list entry is not worth an error of its own
            self._spool.refuse(Refusal(reason, self._incoming.calling_ae_title, sop_class))
        return status


def _check_thoroughly(part: Part, announced: tuple[str, str]) -> None:
    try:
        dataset = open_dataset(part.path(), pixels=False, keywords=HEADER_KEYWORDS)
    except NotIndexable as error:
        raise _Refused(StoreStatus.CANNOT_UNDERSTAND, str(error)) from error
    try:
        header_of(dataset)
    except NotIndexable as error:
        raise _Refused(StoreStatus.DATASET_MISMATCH, str(error)) from error
    _compare((text(dataset, "SOPClassUID"), text(dataset, "SOPInstanceUID")), announced)


def _compare(found: tuple[str, str], announced: tuple[str, str]) -> None:
    for keyword, in_dataset, in_command in zip(("SOPClassUID", "SOPInstanceUID"), found, announced, strict=True):
        if in_dataset != in_command:
            raise _Refused(StoreStatus.DATASET_MISMATCH, f"{keyword} of command and dataset differ")
