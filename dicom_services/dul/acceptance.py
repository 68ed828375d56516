"""The acceptor's half of negotiation: reads a request, answers it (PS3.8 7.1). Called by scp/.

What is asked for is judged elsewhere (scp/admission/access.py); here the judgement becomes PDUs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dicom_services.dul.association import ABORT_SECONDS, Association, Context
from dicom_services.dul.connection import Connection, PduType
from dicom_services.dul.errors import UNEXPECTED_PDU, ProtocolViolation
from dicom_services.dul.pdu import (
    ABSTRACT_SYNTAX_NOT_SUPPORTED,
    ACCEPTANCE,
    TRANSFER_SYNTAXES_NOT_SUPPORTED,
    USER_REJECTION,
    AnsweredContext,
    UserInformation,
    decode_rq,
    encode_ac,
    encode_rj,
)
from dicom_services.dul.request import AssociateRequest, Rejection, RequestedContext


@dataclass(frozen=True, slots=True)
class Offer:
    """What the node takes of one SOP class."""

    transfer_syntaxes: frozenset[str]
    may_be_scu: bool = False
    """The node also takes the SCU role, where the caller offers the SCP role (C-GET sub-operations)."""
    is_scu: bool = False
    """The node takes the SCU role alone."""
    extended: Callable[[bytes], bytes] | None = None
    """Answers SOP class extended negotiation; None = not answered."""
    permitted: bool = True
    """False: the SOP class is known and this caller may not use it."""


Offers = Callable[[str], Offer | None]
"""SOP class UID -> what the node takes of it; None = not supported."""


def decode_request(
    body: bytes, address: str, certificate: Mapping[str, Any] | None, over_tls: bool
) -> AssociateRequest:
    """Return the request that an A-ASSOCIATE-RQ holds. Raises ProtocolViolation."""
    rq = decode_rq(body)
    return AssociateRequest(
        calling_ae_title=rq.calling_ae_title,
        called_ae_title=rq.called_ae_title,
        address=address,
        application_context=rq.application_context,
        protocol_version=rq.protocol_version,
        contexts=rq.contexts,
        max_pdu=rq.user.max_pdu,
        roles=rq.user.roles,
        extended=rq.user.extended,
        identity=rq.user.identity,
        over_tls=over_tls,
        certificate=certificate,
    )


def read_request(connection: Connection, wait_seconds: float) -> bytes:
    """Return what follows the header of the A-ASSOCIATE-RQ that must come first. Raises AssociationEnded."""
    pdu = connection.read_pdu(wait_seconds)
    if pdu.type is not PduType.ASSOCIATE_RQ:
        raise ProtocolViolation("the first PDU is no association request", UNEXPECTED_PDU)
    return bytes(pdu.body)


def reject(connection: Connection, rejection: Rejection) -> None:
    """Send an A-ASSOCIATE-RJ and close. Raises AssociationEnded when the caller is gone."""
    connection.send(encode_rj(rejection.result, rejection.source, rejection.reason))
    connection.finish(ABORT_SECONDS)


def accept(
    connection: Connection, request: AssociateRequest, offers: Offers, max_pdu: int, identity_response: bytes | None
) -> tuple[Association, tuple[AnsweredContext, ...]]:
    """Send the A-ASSOCIATE-AC; return the association and the answer to every context, in the order of the request.

    identity_response: server response of user identity negotiation (PS3.7 D.3.3.7.2); None = none.
    """
    contexts: dict[int, Context] = {}
    answers: list[AnsweredContext] = []
    roles: dict[str, tuple[bool, bool]] = {}
    extended: dict[str, bytes] = {}
    for asked in request.contexts:
        offer = offers(asked.abstract_syntax)
        answer = _answer(asked, offer)
        answers.append(answer)
        if offer is None or answer.result != ACCEPTANCE:
            continue
        role = _role(request.roles.get(asked.abstract_syntax), offer)
        contexts[asked.context_id] = Context(
            asked.context_id, asked.abstract_syntax, answer.transfer_syntax, as_scu=role[1], as_scp=role[0]
        )
        if asked.abstract_syntax in request.roles:
            roles[asked.abstract_syntax] = role
        if offer.extended is not None and asked.abstract_syntax in request.extended:
            extended[asked.abstract_syntax] = offer.extended(request.extended[asked.abstract_syntax])
    user = UserInformation(max_pdu, roles, extended, identity_response=identity_response)
    connection.send(encode_ac(request.called_ae_title, request.calling_ae_title, answers, user))
    association = Association(
        connection, request.calling_ae_title, request.called_ae_title, contexts, request.max_pdu, extended=extended
    )
    return association, tuple(answers)


def _answer(asked: RequestedContext, offer: Offer | None) -> AnsweredContext:
    first = asked.transfer_syntaxes[0] if asked.transfer_syntaxes else ""
    if offer is None:
        return AnsweredContext(asked.context_id, ABSTRACT_SYNTAX_NOT_SUPPORTED, first)
    if not offer.permitted:
        return AnsweredContext(asked.context_id, USER_REJECTION, first)
    # The caller's first that we know: it is the one in which its object lies, so that nothing is converted on the way.
    for syntax in asked.transfer_syntaxes:
        if syntax in offer.transfer_syntaxes:
            return AnsweredContext(asked.context_id, ACCEPTANCE, syntax)
    return AnsweredContext(asked.context_id, TRANSFER_SYNTAXES_NOT_SUPPORTED, first)


def _role(wanted: tuple[bool, bool] | None, offer: Offer) -> tuple[bool, bool]:
    """Return (caller is SCU, caller is SCP); without negotiation the caller is the SCU (PS3.7 D.3.3.4)."""
    if wanted is None:
        return True, False
    scu, scp = wanted
    return scu and not offer.is_scu, scp and (offer.may_be_scu or offer.is_scu)
