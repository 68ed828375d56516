"""Associations that the node opens: proposed, used for one request at a time, always closed again.

Everything else in scu/ works on the Requestor that `associate` yields.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

from dicom_services.contexts import UNCOMPRESSED
from dicom_services.dimse.command import RESPONSE, Command, CommandField, MalformedCommand, Value
from dicom_services.dimse.message import Message, Sink
from dicom_services.dul.association import Association, Context, FileRegion
from dicom_services.dul.errors import AssociationEnded, ProtocolViolation, Rejected
from dicom_services.dul.requestor import MAX_CONTEXTS, propose, request_association
from dicom_services.scu.caller import Caller
from radir_node.settings import Peer

__all__ = ["LITTLE_ENDIAN", "MAX_CONTEXTS", "Requestor", "accepted", "associate", "contexts_for", "status_of"]

LITTLE_ENDIAN = UNCOMPRESSED[:2]
"""Explicit and Implicit VR: what every peer takes."""

MEDIUM = 0
"""Priority (0000,0700)."""

MAX_MESSAGE_ID = 65535

_LOOK_SECONDS = 0.5
"""How often `idle` is called while a peer has not answered."""

Idle = Callable[[], None]


def _nothing() -> None:
    """Wait for the peer and for nothing else."""


@dataclass(frozen=True)
class Requestor:
    """An association on which the node asks."""

    association: Association
    response_seconds: float
    """Deadline of one response: a destination may write a large object to a slow archive before it answers."""
    _numbers: Iterator[int] = field(default_factory=count)

    def next_message_id(self) -> int:
        return next(self._numbers) % MAX_MESSAGE_ID + 1

    def context(self, sop_class_uid: str) -> Context:
        """Return the first accepted context of the class. Raises Rejected when there is none."""
        for context in self.association.contexts.values():
            if context.abstract_syntax == sop_class_uid:
                return context
        raise Rejected("does not offer what it is asked for")

    def request(
        self, context: Context, kind: CommandField, dataset: bytes | FileRegion | None = None, **elements: Value
    ) -> int:
        """Send one request; return its Message ID. elements: further command elements by keyword."""
        message_id = self.next_message_id()
        command = {"CommandField": int(kind), "MessageID": message_id, **elements}
        self.association.send(context.context_id, command, dataset)
        return message_id

    def cancel(self, context: Context, message_id: int) -> None:
        """Send a C-CANCEL (PS3.7 9.3.2.3); the final response still comes."""
        command = {"CommandField": int(CommandField.C_CANCEL), "MessageIDBeingRespondedTo": message_id}
        self.association.send(context.context_id, command)

    def receive(
        self, idle: Idle = _nothing, open_sink: Callable[[int, Command], Sink | None] = lambda context_id, command: None
    ) -> Message:
        """Return the next message of the peer within the response deadline; idle is called now and then meanwhile."""
        due = time.monotonic() + self.response_seconds
        while not self.association.has_input(_LOOK_SECONDS) and self.association.established:
            idle()
            if time.monotonic() > due:
                break
        return self.association.receive(max(due - time.monotonic(), 0), open_sink)

    def response_to(self, message_id: int, idle: Idle = _nothing) -> Message:
        """Wait for the response to a request. Raises AssociationEnded, also when the peer says something else."""
        message = self.receive(idle)
        if not answers(message, message_id):
            self.association.abort()
            raise ProtocolViolation("the peer sent another message than the response to a request")
        return message


@contextmanager
def associate(
    peer: Peer,
    caller: Caller,
    contexts: Iterable[tuple[str, Sequence[str]]],
    roles: Mapping[str, tuple[bool, bool]] | None = None,
) -> Iterator[Requestor]:
    """Yield an established association and release it at the end, or abort it when the body fails.

    contexts: (SOP class UID, transfer syntax UIDs), the first 128 are proposed; roles: SOP class -> (SCU, SCP) role
    wanted. Raises PeerUnavailable, naming the peer, when it cannot be reached, rejects the association, accepts none of
    the contexts, or ends the association early.
    """
    tls = caller.context() if peer.tls else None
    proposed = propose(contexts)
    association = request_association(peer, caller.ae_title, proposed, caller.timeouts, tls=tls, roles=roles)
    where = f"{peer.ae_title} at {peer.host}:{peer.port}"
    try:
        yield Requestor(association, caller.timeouts.response_seconds)
    except AssociationEnded as error:
        association.abort()
        error.name_peer(where)
        raise
    except MalformedCommand as error:
        association.abort()
        raise ProtocolViolation(f"{where}: {error}") from error
    except BaseException:
        association.abort()
        raise
    association.release()


def contexts_for(objects: Iterable[tuple[str, str]]) -> list[tuple[str, Sequence[str]]]:
    """Propose what (SOP class UID, transfer syntax UID) pairs need.

    Each pair gets a context of its own, so that the peer's choice for one does not decide another; a class with
    other than plain little endian objects gets one more, for a peer that can only take them decompressed. Either way
    Implicit VR Little Endian is offered (PS3.5 10.1): some peers take nothing else.
    """
    pairs = list(dict.fromkeys(objects))
    fallback = dict.fromkeys(sop_class for sop_class, syntax in pairs if syntax not in LITTLE_ENDIAN)
    proposed = [(sop, (syntax, *LITTLE_ENDIAN) if syntax in LITTLE_ENDIAN else (syntax,)) for sop, syntax in pairs]
    return [(sop, tuple(dict.fromkeys(syntaxes))) for sop, syntaxes in proposed] + [
        (sop, LITTLE_ENDIAN) for sop in fallback
    ]


def accepted(association: Association, sop_class_uid: str) -> dict[str, int]:
    """Return the transfer syntaxes in which the peer takes objects of the class from us, with their context IDs."""
    return {
        context.transfer_syntax: context.context_id
        for context in association.contexts.values()
        if context.abstract_syntax == sop_class_uid and context.as_scu
    }


def answers(message: Message, message_id: int) -> bool:
    """Say whether a message is a response to this request."""
    field = message.command.get("CommandField")
    is_response = isinstance(field, int) and bool(field & RESPONSE)
    return is_response and message.command.get("MessageIDBeingRespondedTo") == message_id


def status_of(message: Message) -> int:
    """Return the Status (0000,0900) of a response. Raises ProtocolViolation when it has none."""
    status = message.command.get("Status")
    if not isinstance(status, int):
        raise ProtocolViolation("a response holds no status")
    return status
