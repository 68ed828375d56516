"""Outgoing associations: opened with TCP_NODELAY and deadlines, always closed again.

Called by send.py, echo.py and the C-MOVE sub-operations of scp/retrieve.py.
"""

import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.presentation import PresentationContext, build_context

from dicom_services.contexts import UNCOMPRESSED
from dicom_services.identity import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_services.privacy import silence_libraries
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

MAX_CONTEXTS = 128
"""Presentation context IDs are odd numbers from 1 to 255 (PS3.8 9.3.2.2)."""

CONNECT_SECONDS = 5
"""Deadline of the TCP connection and of the answer to the association request."""

RESPONSE_SECONDS = 300
"""Deadline of one response: a destination may write a large object to a slow archive before it answers."""

_LITTLE_ENDIAN = UNCOMPRESSED[:2]


def set_no_delay(connection: socket.socket) -> None:
    """Switch Nagle's algorithm off: it costs up to 90 ms for each small object that is stored."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@contextmanager
def associate(peer: Peer, calling_ae_title: str, contexts: Sequence[PresentationContext]) -> Iterator[Any]:
    """Yield an established association and release it at the end, or abort it when the body fails.

    Raises PeerUnavailable when the peer cannot be reached, rejects the association or accepts none of the contexts.
    """
    silence_libraries()
    application = AE(calling_ae_title)
    application.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    application.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    application.connection_timeout = application.acse_timeout = CONNECT_SECONDS
    application.dimse_timeout = application.network_timeout = RESPONSE_SECONDS
    application.maximum_pdu_size = 131072
    association = application.associate(
        peer.host,
        peer.port,
        contexts=list(contexts),
        ae_title=peer.ae_title,
        evt_handlers=[(evt.EVT_CONN_OPEN, lambda event: set_no_delay(event.assoc.dul.socket.socket))],
    )
    if not association.is_established:
        raise PeerUnavailable(_why(association, peer))
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def contexts_for(objects: Iterable[tuple[str, str]]) -> list[PresentationContext]:
    """Propose what (SOP class UID, transfer syntax UID) pairs need, the first 128 contexts at most.

    Each pair gets a context of its own, so that the peer's choice for one does not decide another; a class with
    other than plain little endian objects gets one more, for a peer that can only take them decompressed.
    """
    pairs = list(dict.fromkeys(objects))
    fallback = dict.fromkeys(sop_class for sop_class, syntax in pairs if syntax not in _LITTLE_ENDIAN)
    proposed = [build_context(sop_class, [syntax]) for sop_class, syntax in pairs]
    proposed += [build_context(sop_class, list(_LITTLE_ENDIAN)) for sop_class in fallback]
    return proposed[:MAX_CONTEXTS]


def accepted(association: Any, sop_class_uid: str) -> dict[str, int]:
    """Return the transfer syntaxes in which the peer takes objects of the class from us, with their context IDs."""
    return {
        str(cx.transfer_syntax[0]): cx.context_id
        for cx in association.accepted_contexts
        if cx.abstract_syntax == sop_class_uid and cx.as_scu
    }


def _why(association: Any, peer: Peer) -> str:
    where = f"{peer.ae_title} at {peer.host}:{peer.port}"
    if association.is_rejected:
        return f"{where} rejected the association"
    if association.acceptor.primitive is not None:
        return f"{where} accepted none of the presentation contexts"
    return f"{where} does not answer"
