"""Why an association ended. Every class is a PeerUnavailable: the work may succeed with another association."""

from radir_node.errors import PeerUnavailable


class AssociationEnded(PeerUnavailable):
    """Root of this module."""

    def name_peer(self, where: str) -> None:
        """Put the peer before the message: an association knows its partner, a line in a log does not."""
        self.args = (f"{where}: {self}",)


class Released(AssociationEnded):
    """The peer released it in order (PS3.8 7.2)."""


class Aborted(AssociationEnded):
    """The peer aborted it, or broke the connection."""


class TimedOut(AssociationEnded):
    """A deadline passed; see settings.Timeouts."""


class Rejected(AssociationEnded):
    """The peer did not accept the association, or nothing that was proposed in it."""

    def __init__(self, message: str, result: int = 1, source: int = 0, reason: int = 0) -> None:
        """result 1 = permanent, 2 = transient; source and reason as in the A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
        super().__init__(message)
        self.result, self.source, self.reason = result, source, reason


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
