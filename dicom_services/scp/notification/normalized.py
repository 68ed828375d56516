"""What the normalized services share: one clear status for everything that a request can be wrong in (PS3.7 10.1).

Used by mpps.py, availability.py and commitment.py.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from dicom_services.dimse.command import number, text
from dicom_services.dimse.status import Status
from dicom_services.dul.errors import AssociationEnded
from dicom_services.objects.attributes import valid_uid
from dicom_services.scp.exchange import Exchange, UnreadableIdentifier
from radir_node.errors import TransientError

log = structlog.get_logger()


class Refused(Exception):
    """The request is turned down. The comment names attributes, never their values."""

    def __init__(self, status: Status, comment: str, error_id: int = 0) -> None:
        super().__init__(comment)
        self.status = status
        self.error_id = error_id


@contextmanager
def refusing(exchange: Exchange) -> Iterator[None]:
    """Answer the request with the failure that the block raises; the block itself answers with success."""
    try:
        yield
    except AssociationEnded:
        raise  # there is nobody to answer
    except UnreadableIdentifier:
        exchange.respond(Status.PROCESSING_FAILURE, comment="the data set cannot be read")
    except TransientError as error:
        log.warning("request_not_kept", error=type(error).__name__)
        exchange.respond(Status.RESOURCE_LIMITATION, comment="the catalogue does not answer")
    except Refused as refused:
        if refused.error_id:
            exchange.respond(refused.status, comment=str(refused), ErrorID=refused.error_id)
        else:
            exchange.respond(refused.status, comment=str(refused))


@contextmanager
def kept_already() -> Iterator[None]:
    """Do what a request means beside what was asked for: without it the study is complete by the quiet time."""
    try:
        yield
    except TransientError as error:
        log.warning("completion_not_announced", error=type(error).__name__)


def affected_instance(exchange: Exchange) -> str:
    """Return the SOP Instance UID of an N-CREATE, a new one when the peer leaves it to the SCP (PS3.7 10.1.5.1.4)."""
    uid = text(exchange.command, "AffectedSOPInstanceUID") or f"2.25.{uuid.uuid4().int}"
    if not valid_uid(uid):
        raise Refused(Status.INVALID_ARGUMENT_VALUE, "AffectedSOPInstanceUID is no UID")
    return uid


def requested_instance(exchange: Exchange) -> str:
    """Return the SOP Instance UID that an N-SET or N-ACTION is about."""
    return text(exchange.command, "RequestedSOPInstanceUID")


def argument(exchange: Exchange, keyword: str) -> int:
    """Return a number of the command set, e.g. Action Type ID; -1 when it is missing."""
    return number(exchange.command, keyword) if keyword in exchange.command else -1
