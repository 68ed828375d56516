"""Why an association ended. Every class is a PeerUnavailable: the work may succeed with another association."""

from radir_node.errors import PeerUnavailable


class AssociationEnded(PeerUnavailable):
    """Root of this module."""


class Released(AssociationEnded):
    """The peer released it in order (PS3.8 7.2)."""


class Aborted(AssociationEnded):
    """The peer aborted it, or broke the connection."""


class TimedOut(AssociationEnded):
    """A deadline passed; see settings.Timeouts."""


class Rejected(AssociationEnded):
    """The peer did not accept the association."""


class ProtocolViolation(AssociationEnded):
    """The peer sent what the protocol does not allow. It is aborted with the reason (PS3.8 9.3.8)."""

    def __init__(self, message: str, reason: int = 0) -> None:
        super().__init__(message)
        self.reason = reason


UNRECOGNIZED_PDU = 1
UNEXPECTED_PDU = 2
UNRECOGNIZED_PARAMETER = 4
UNEXPECTED_PARAMETER = 5
INVALID_PARAMETER = 6
