"""The requestor's half of negotiation: connects, proposes, and returns an established association. Called by scu/."""

import os
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from dicom_services.dul.association import Association, Context
from dicom_services.dul.connection import Connection, PduType
from dicom_services.dul.errors import Aborted, AssociationEnded, ProtocolViolation, Rejected
from dicom_services.dul.pdu import ACCEPTANCE, AssociateAc, AssociateRq, UserInformation, decode_ac, encode_rq
from dicom_services.dul.request import OfferedIdentity, RequestedContext
from dicom_services.dul.watchdog import Watchdog
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer, Timeouts

MAX_CONTEXTS = 128
"""Presentation context IDs are odd numbers from 1 to 255 (PS3.8 9.3.2.2)."""

MAX_PDU = 131072

SCU_AND_SCP = (True, True)
SCP_ALONE = (False, True)


@cache
def _watchdog() -> Watchdog:
    """The one watchdog of this process's outgoing associations."""
    return Watchdog()


os.register_at_fork(after_in_child=_watchdog.cache_clear)  # its thread stays behind in the parent


def propose(contexts: Iterable[tuple[str, Sequence[str]]]) -> tuple[RequestedContext, ...]:
    """Number (SOP class UID, transfer syntax UIDs) pairs, the first 128 at most."""
    numbered = zip(range(1, 2 * MAX_CONTEXTS, 2), contexts, strict=False)
    return tuple(RequestedContext(n, sop_class, tuple(syntaxes)) for n, (sop_class, syntaxes) in numbered)


def request_association(
    peer: Peer,
    calling_ae_title: str,
    contexts: Sequence[RequestedContext],
    timeouts: Timeouts,
    *,
    tls: ssl.SSLContext | None = None,
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    identity: OfferedIdentity | None = None,
) -> Association:
    """Open an association with a peer.

    roles: SOP class -> (SCU, SCP) role wanted; tls: needed when peer.tls. Raises PeerUnavailable, with one line that
    names the peer, when it cannot be reached, rejects the association or accepts none of the contexts.
    """
    where = f"{peer.ae_title} at {peer.host}:{peer.port}"
    try:
        connection = _connect(peer, timeouts, tls)
    except OSError as error:
        raise PeerUnavailable(f"{where} does not answer") from error
    except AssociationEnded as error:
        raise PeerUnavailable(f"{where}: {error}") from error
    user = UserInformation(MAX_PDU, roles or {}, identity=identity)
    rq = AssociateRq(peer.ae_title, calling_ae_title, tuple(contexts), user)
    try:
        answer = _negotiate(connection, rq, timeouts)
    except AssociationEnded as error:
        connection.close()
        error.name_peer(where)
        raise
    accepted = _accepted(rq, answer)
    association = Association(
        connection, calling_ae_title, peer.ae_title, accepted, answer.user.max_pdu, extended=answer.user.extended
    )
    if not accepted:
        association.release()
        raise Rejected(f"{where} accepted none of the presentation contexts")
    connection.end_within(timeouts.association_seconds)
    return association


def _connect(peer: Peer, timeouts: Timeouts, tls: ssl.SSLContext | None) -> Connection:
    sock = socket.create_connection((peer.host, peer.port), timeout=timeouts.connect_seconds)
    connection = Connection(sock, _watchdog(), timeouts.pdu_seconds)
    if tls is not None:
        connection.end_within(timeouts.connect_seconds)
        try:
            connection.secure(tls, server_side=False, host=peer.certificate or peer.host)
        except AssociationEnded:
            connection.close()
            raise
    return connection


def _negotiate(connection: Connection, rq: AssociateRq, timeouts: Timeouts) -> AssociateAc:
    connection.end_within(timeouts.connect_seconds)
    connection.send(encode_rq(rq))
    pdu = connection.read_pdu(timeouts.connect_seconds)
    if pdu.type is PduType.ASSOCIATE_AC:
        return decode_ac(bytes(pdu.body))
    if pdu.type is PduType.ASSOCIATE_RJ:
        result, source, reason = pdu.body[1:4]
        words = f"rejected the association (result {result}, source {source}, reason {reason})"
        raise Rejected(words, result, source, reason)
    if pdu.type is PduType.ABORT:
        raise Aborted("aborted the association request")
    raise ProtocolViolation("answered the association request with another PDU")


def _accepted(rq: AssociateRq, answer: AssociateAc) -> dict[int, Context]:
    proposed = {context.context_id: context for context in rq.contexts}
    accepted: dict[int, Context] = {}
    for context in answer.contexts:
        asked = proposed.get(context.context_id)
        if asked is None or context.result != ACCEPTANCE or context.transfer_syntax not in asked.transfer_syntaxes:
            continue
        scu, scp = answer.user.roles.get(asked.abstract_syntax, (True, False))
        accepted[context.context_id] = Context(
            context.context_id, asked.abstract_syntax, context.transfer_syntax, as_scu=scu, as_scp=scp
        )
    return accepted
