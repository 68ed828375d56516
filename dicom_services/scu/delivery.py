"""Many C-STOREs to one peer, over an association that is opened again when it breaks.

Called by send.py and by the C-MOVE sub-operations of scp/retrieval. What the peer has acknowledged is never sent a
second time; the one object that was under way when an association broke is sent once more, because nobody can know
whether it arrived (a C-STORE of the same object again changes nothing, PS3.4 B.2).
"""

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import structlog

from dicom_services.objects.stored_object import StoredObject
from dicom_services.scu.association import Idle, Requestor, associate, contexts_for
from dicom_services.scu.caller import Caller
from dicom_services.scu.store import NO_RESPONSE, store
from radir_node.errors import PeerUnavailable
from radir_node.settings import Peer

log = structlog.get_logger()

_TRIES = 2
"""Of one object."""
_MOST_BREAKS = 3
"""In a row, without an acknowledged object between them: then the peer is given up."""


class Delivery:
    """Sends objects to one peer. A context manager: entering it opens the association or raises PeerUnavailable."""

    def __init__(
        self,
        peer: Peer,
        caller: Caller,
        objects: Sequence[StoredObject],
        originator: tuple[str, int] | None = None,
        idle: Idle = lambda: None,
    ) -> None:
        """objects: all that will be sent, for the contexts; idle is called now and then while the peer is waited for.

        An exception that idle raises ends the delivery.
        """
        self._peer = peer
        self._caller = caller
        self._contexts = contexts_for((item.sop_class_uid, item.transfer_syntax_uid) for item in objects)
        self._originator = originator
        self._idle = idle
        self._closing = ExitStack()
        self._requestor: Requestor | None = None
        self._breaks = 0
        self.ended: PeerUnavailable | None = None
        """Why the peer was given up; objects after that are NO_RESPONSE without being tried."""

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.__exit__(kind, error, at)

    def send(self, item: StoredObject) -> int:
        """Send one object; return its C-STORE status, or NO_RESPONSE when the peer cannot be brought to answer."""
        for _ in range(_TRIES):
            if self.ended is not None:
                break
            try:
                status = self._store(item)
            except PeerUnavailable as error:
                self._broke(error)
            else:
                self._breaks = 0
                return status
        return NO_RESPONSE

    def _store(self, item: StoredObject) -> int:
        requestor = self._requestor or self._open()
        return store(
            requestor.association,
            item,
            requestor.next_message_id(),
            lambda message_id: requestor.response_to(message_id, self._idle),
            self._originator,
        )

    def _open(self) -> Requestor:
        self._requestor = self._closing.enter_context(associate(self._peer, self._caller, self._contexts))
        return self._requestor

    def _broke(self, error: PeerUnavailable) -> None:
        """Drop the association; give the peer up when it breaks again and again, or cannot be reached any more."""
        was_open = self._requestor is not None
        self._requestor = None
        self._breaks += 1
        if not was_open or self._breaks >= _MOST_BREAKS:
            self.ended = error
        log.warning(
            "delivery_interrupted", peer=self._peer.ae_title, reason=str(error), given_up=self.ended is not None
        )
