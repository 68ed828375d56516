"""One DIMSE-C request and the answers to it, so that query.py and retrieve.py deal in datasets and statuses only.

Made by scp/server.py for every request of an association.
"""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.dsutils import decode, encode

from dicom_services.contexts import PATIENT_ROOT

_MAX_COMMENT = 64
"""Error Comment (0000,0902) is LO."""


class UnreadableIdentifier(Exception):
    """The identifier of a query or retrieve cannot be decoded."""


class Exchange:
    """A C-FIND, C-MOVE or C-GET in progress on an accepted association."""

    def __init__(self, association: Any, request: Any, context: Any) -> None:
        self.association = association
        self.request = request
        self.context_id: int = context.context_id
        self._transfer_syntax = UID(context.transfer_syntax[0])

    @property
    def calling_ae_title(self) -> str:
        return calling_ae_title(self.association)

    @property
    def is_patient_root(self) -> bool:
        return str(self.request.AffectedSOPClassUID) in PATIENT_ROOT

    @property
    def alive(self) -> bool:
        return bool(self.association.is_established)

    @property
    def cancelled(self) -> bool:
        """Whether the peer sent a C-CANCEL for this request (PS3.7 9.3.2.3)."""
        return self.request.MessageID in self.association.dimse.cancel_req

    def identifier(self) -> Dataset:
        """Decode the request's identifier completely. Raises UnreadableIdentifier."""
        syntax = self._transfer_syntax
        try:
            dataset = decode(
                self.request.Identifier, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated
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
    ) -> None:
        """Send one response; counts: keyword of a Number of ... Sub-operations element -> value."""
        response = _response_to(self.request)
        response.Status = status
        if comment:
            response.ErrorComment = comment[:_MAX_COMMENT]
        if identifier is not None:
            response.Identifier = BytesIO(self._encoded(identifier))
        for keyword, count in counts.items():
            setattr(response, keyword, count)
        self.association.dimse.send_msg(response, self.context_id)

    def _encoded(self, dataset: Dataset) -> bytes:
        syntax = self._transfer_syntax
        data = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
        if data is None:
            raise ValueError("a response identifier could not be encoded")
        return bytes(data)


def calling_ae_title(association: Any) -> str:
    """Return the requestor's AE title without padding."""
    return str(association.requestor.ae_title).strip()


def _response_to(request: Any) -> Any:
    kind = next(k for k in (C_FIND, C_MOVE, C_GET) if isinstance(request, k))
    response = kind()
    response.MessageIDBeingRespondedTo = request.MessageID
    response.AffectedSOPClassUID = request.AffectedSOPClassUID
    return response
