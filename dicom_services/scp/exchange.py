"""One request on an association and the answers to it, so that services deal in data sets and statuses only.

Made by association.py for every request.
"""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dsutils import decode, encode

from dicom_services.contexts import PATIENT_ROOT
from dicom_services.dimse.command import RESPONSE, CommandField, Value, number, text
from dicom_services.dimse.message import Message
from dicom_services.dul.association import Association, Context
from dicom_services.dul.errors import AssociationEnded
from dicom_services.scp.admission.access import Admission
from dicom_services.scp.query.identifier_reader import read_identifier

_MAX_COMMENT = 64
"""Error Comment (0000,0902) is LO."""
_FLUSH_BYTES = 65536
_MAX_ELEMENTS = 60_000
"""Of a data set that is decoded: a commitment request for 20,000 objects."""


class UnreadableIdentifier(Exception):
    """The data set of a request cannot be decoded."""


class Exchange:
    """A request in progress on an accepted association."""

    def __init__(self, association: Association, message: Message, admission: Admission) -> None:
        self.association = association
        self.admission = admission
        """Who asks, and what is granted."""
        self._message = message
        self._context: Context = association.contexts[message.context_id]
        self._field = number(message.command, "CommandField")
        self._message_id = number(message.command, "MessageID")
        self._cancelled: set[int] = set()
        self.late_responses: list[Message] = []
        """To what the node had asked before this request came: association.py sees to them."""
        self._waiting: list[bytes | memoryview] = []
        self._waiting_bytes = 0

    @property
    def command(self) -> Mapping[str, Value]:
        """The command set of the request, by keyword."""
        return self._message.command

    @property
    def dataset(self) -> bytes | None:
        """The data set of the request as received."""
        return self._message.dataset

    @property
    def message_id(self) -> int:
        return self._message_id

    @property
    def sop_class_uid(self) -> str:
        return self._context.abstract_syntax

    @property
    def transfer_syntax(self) -> UID:
        return UID(self._context.transfer_syntax)

    @property
    def calling_ae_title(self) -> str:
        return self.association.calling_ae_title

    @property
    def is_patient_root(self) -> bool:
        return self.sop_class_uid in PATIENT_ROOT

    @property
    def relational(self) -> bool:
        """Whether relational queries or retrieves were negotiated (PS3.4 C.5.1.1)."""
        return self._agreed(0)

    @property
    def combined_datetime(self) -> bool:
        """Whether combined date and time matching was negotiated (PS3.4 C.5.1.1)."""
        return self._agreed(1)

    @property
    def empty_value(self) -> bool:
        """Whether empty value matching was negotiated (PS3.4 C.5.1.1)."""
        return self._agreed(5)

    @property
    def alive(self) -> bool:
        return self.association.established

    @property
    def cancelled(self) -> bool:
        """Whether the peer sent a C-CANCEL for this request (PS3.7 9.3.2.3). Sends what is waiting first."""
        self.flush()
        try:
            while self.association.has_input():
                self._note(self.association.receive(self.association.connection.pdu_seconds))
        except AssociationEnded:
            return False  # `alive` says it
        return self._message_id in self._cancelled

    def identifier(self) -> Dataset:
        """Decode the request's data set completely. Raises UnreadableIdentifier, also beyond _MAX_ELEMENTS."""
        syntax = self.transfer_syntax
        try:
            # pydicom has no limits: one MB that inflates to a GB of elements would hold the process for an hour.
            read_identifier(self.dataset or b"", syntax, _MAX_ELEMENTS)
            dataset = decode(
                BytesIO(self.dataset or b""), syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated
            )
            dataset.decode()
        except Exception as error:  # whatever a peer's bytes make the parser raise
            raise UnreadableIdentifier(type(error).__name__) from error
        return dataset  # type: ignore[no-any-return]  # pynetdicom carries no types

    def respond(
        self,
        status: int,
        identifier: Dataset | None = None,
        comment: str = "",
        counts: Mapping[str, int] = MappingProxyType({}),
        **more: Value,
    ) -> None:
        """Send one response, behind those that wait.

        counts: keyword of a Number of ... Sub-operations element -> value; more: further command elements.
        """
        extra: dict[str, Value] = {**counts, **more}
        if comment:
            extra["ErrorComment"] = comment[:_MAX_COMMENT]
        self._queue(status, None if identifier is None else self._encoded(identifier), extra)
        self.flush()

    def respond_encoded(self, status: int, data: bytes) -> None:
        """Answer with an identifier that is encoded in the transfer syntax already; sent when 64 KB are waiting."""
        self._queue(status, data, {})
        if self._waiting_bytes >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send the responses that wait."""
        parts, self._waiting, self._waiting_bytes = self._waiting, [], 0
        if parts and self.association.established:
            self.association.send_packed(parts)

    def response_to(self, message_id: int, wait_seconds: float) -> Message:
        """Wait for the peer's response to a sub-operation on this association, noting a C-CANCEL meanwhile."""
        while True:
            message = self.association.receive(wait_seconds)
            if message.command.get("MessageIDBeingRespondedTo") == message_id and _is_response(message):
                return message
            self._note(message)

    def _note(self, message: Message) -> None:
        if message.command.get("CommandField") == CommandField.C_CANCEL:
            self._cancelled.add(number(message.command, "MessageIDBeingRespondedTo"))
        elif _is_response(message):
            self.late_responses.append(message)
        else:
            self.association.abort()  # a second request: asynchronous operations are not negotiated

    def _queue(self, status: int, data: bytes | None, extra: Mapping[str, Value]) -> None:
        command: dict[str, Value] = {
            "CommandField": self._field | RESPONSE,
            "MessageIDBeingRespondedTo": self._message_id,
            "AffectedSOPClassUID": text(self.command, "AffectedSOPClassUID") or self.sop_class_uid,
            "Status": status,
            **extra,
        }
        parts = self.association.pack(self._message.context_id, command, data)
        self._waiting += parts
        self._waiting_bytes += sum(map(len, parts))

    def _encoded(self, dataset: Dataset) -> bytes:
        syntax = self.transfer_syntax
        data = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        if data is None:
            raise ValueError("a response identifier could not be encoded")
        return bytes(data)

    def _agreed(self, at: int) -> bool:
        information = self.association.extended.get(self.sop_class_uid, b"")
        return len(information) > at and information[at] == 1


def _is_response(message: Message) -> bool:
    return bool(number(message.command, "CommandField") & RESPONSE)
