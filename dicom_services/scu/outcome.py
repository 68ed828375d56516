"""What a send means for the next try: again later, or never as it is. Pure; called by the delivery queue.

A queue that tries a permanent failure for ever hides it, one that gives a transient failure up loses the object.
"""

from enum import StrEnum

from dicom_services.dul.errors import Rejected
from dicom_services.scu.store import NO_RESPONSE, succeeded
from radir_node.errors import RadirError, TransientError


class Outcome(StrEnum):
    """Of one object sent to one peer."""

    DELIVERED = "delivered"
    TRANSIENT = "transient"
    """The same may succeed later: the peer is away, full or busy."""
    PERMANENT = "permanent"
    """The peer will answer the same again: its configuration, the node's, or the object must change first."""


_DUPLICATE = 0x0111
"""Duplicate SOP instance: what was to be delivered is there (PS3.7 C.5.6)."""

_OF_THE_MOMENT = frozenset({NO_RESPONSE, 0x0110, 0x0213})
"""Beside out of resources: no answer, processing failure, resource limitation (PS3.7 C.5.14, C.5.21)."""

_PERMANENTLY_REJECTED = 1


def of_status(status: int) -> Outcome:
    """Classify a C-STORE status (PS3.4 B.2.3, PS3.7 C), or one of the node's own (store.py)."""
    if succeeded(status) or status == _DUPLICATE:
        return Outcome.DELIVERED
    out_of_resources = status & 0xFF00 == 0xA700
    return Outcome.TRANSIENT if out_of_resources or status in _OF_THE_MOMENT else Outcome.PERMANENT


def of_failure(error: RadirError) -> Outcome:
    """Classify what associate() and send_files() raise; a rejection says itself whether it is permanent."""
    if isinstance(error, Rejected):
        return Outcome.PERMANENT if error.result == _PERMANENTLY_REJECTED else Outcome.TRANSIENT
    return Outcome.TRANSIENT if isinstance(error, TransientError) else Outcome.PERMANENT
