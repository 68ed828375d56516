"""An accepted association: hands each request to its service, and notes what came of it.

Called by reception.py, in the thread of the association.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from dicom_services.contexts import BY_UID, Service, permits
from dicom_services.dimse.command import RESPONSE, Command, CommandField, MalformedCommand, Value, number, text
from dicom_services.dimse.message import Message, Sink
from dicom_services.dul.association import Association
from dicom_services.dul.errors import AssociationEnded, Released, TimedOut
from dicom_services.scp.admission.access import Admission
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.storage.registrar import Wake
from dicom_services.scp.storage.spool import Incoming, Spool
from dicom_services.scp.storage.store import Receiving, StoreStatus
from radir_node.settings import Timeouts

log = structlog.get_logger()

SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNIZED_OPERATION = 0x0211
NOT_AUTHORIZED = 0x0124

Serve = Callable[[Exchange], None]
"""One request -> its answers sent."""

PAUSE_SECONDS = 1.0
"""A caller that is silent for so long, with nothing asked, is told what the node has to say to it."""

LOOK_AGAIN_SECONDS = 10.0
"""How often the node looks for more to say while the caller stays silent."""


class Notices(Protocol):
    """What the node says to a caller unasked, on the caller's own association: see commitment.py."""

    def pause(self) -> None:
        """The caller is silent. Raises AssociationEnded."""
        ...

    def response(self, message: Message) -> None:
        """The caller sent a response. Raises AssociationEnded."""
        ...

    def close(self) -> None:
        """The association is over."""
        ...


OpenNotices = Callable[[Association], Notices | None]
"""None = there is never anything to say on this association."""


@dataclass(frozen=True)
class Services:
    """What every association of one process is served with."""

    spool: Spool
    wake: Wake
    timeouts: Timeouts
    requests: Mapping[tuple[Service, CommandField], Serve]
    """Everything beside C-ECHO and C-STORE."""
    notices: OpenNotices = lambda association: None


class _Discard:
    """Where the data set of a request goes that is refused."""

    def write(self, data: memoryview) -> None:
        return


class Session:
    """One association being served."""

    def __init__(self, association: Association, admission: Admission, services: Services) -> None:
        self._association = association
        self._admission = admission
        self._services = services
        self._notices = services.notices(association)
        self._receiving: Receiving | None = None
        self._statuses: Counter[str] = Counter()

    def run(self) -> None:
        """Answer requests until the association ends, however it ends."""
        ended = "released"
        try:
            while self._association.established:
                self._answer(self._next())
        except Released:
            pass
        except (AssociationEnded, MalformedCommand) as error:
            ended = str(error)
        except Exception as error:  # noqa: BLE001  # one request must never take the server down
            ended = f"{type(error).__name__} at {_where(error)}"
            log.error("request_failed", error=type(error).__name__, at=_where(error))
        finally:
            self._discard()
            self._association.abort()
            if self._notices is not None:
                self._notices.close()
            self._association.connection.close()
            self._log(ended)

    def _next(self) -> Message:
        due = time.monotonic() + self._services.timeouts.idle_seconds
        if self._notices is not None:
            wait = PAUSE_SECONDS
            while not self._association.has_input(wait) and time.monotonic() < due:
                self._notices.pause()
                wait = LOOK_AGAIN_SECONDS
        if not self._association.has_input(max(due - time.monotonic(), 0)):
            raise TimedOut("no request for the idle time")  # `run` aborts it, so that the peer hears why
        return self._association.receive(max(due - time.monotonic(), 0), self._open_sink)

    def _open_sink(self, context_id: int, command: Command) -> Sink | None:
        """Choose where a data set goes: images to the spool, what is refused nowhere, the rest into memory."""
        field = number(command, "CommandField")
        if field & RESPONSE:
            return None
        if self._refusal(context_id, command) is not None:
            return _Discard()
        if field != CommandField.C_STORE:
            return None
        self._discard()
        context = self._association.contexts[context_id]
        incoming = Incoming(
            sop_class_uid=text(command, "AffectedSOPClassUID"),
            sop_instance_uid=text(command, "AffectedSOPInstanceUID"),
            transfer_syntax_uid=context.transfer_syntax,
            calling_ae_title=self._association.calling_ae_title,
        )
        self._receiving = Receiving(incoming, self._services.spool)
        return self._receiving

    def _answer(self, message: Message) -> None:
        field = number(message.command, "CommandField")
        if field & RESPONSE:
            self._hear(message)
            return
        if field == CommandField.C_CANCEL:
            return  # of a request that is over
        refusal = self._refusal(message.context_id, message.command)
        if refusal is not None:
            self._respond(message, refusal)
        elif field == CommandField.C_STORE:
            self._respond(message, self._stored())
        elif field == CommandField.C_ECHO:
            self._respond(message, 0)
        else:
            self._statuses[CommandField(field).name] += 1
            serve = self._services.requests[self._service(message.context_id), CommandField(field)]
            exchange = Exchange(self._association, message, self._admission)
            serve(exchange)
            exchange.flush()
            for late in exchange.late_responses:
                self._hear(late)

    def _hear(self, response: Message) -> None:
        if self._notices is None:  # a response to nothing that was asked
            self._association.abort()
        else:
            self._notices.response(response)

    def _refusal(self, context_id: int, command: Command) -> int | None:
        """Return the status that turns a request down before its service sees it; None when it may go on."""
        service = self._service(context_id)
        field = number(command, "CommandField")
        if not permits(service, self._admission.verbs):
            return NOT_AUTHORIZED
        if field in (CommandField.C_ECHO, CommandField.C_STORE):
            right = Service.ECHO if field == CommandField.C_ECHO else Service.STORE
            return None if service is right else SOP_CLASS_NOT_SUPPORTED
        if any(field == known for _, known in self._services.requests):
            return None if (service, field) in self._services.requests else SOP_CLASS_NOT_SUPPORTED
        return UNRECOGNIZED_OPERATION

    def _service(self, context_id: int) -> Service:
        return BY_UID[self._association.contexts[context_id].abstract_syntax].service

    def _stored(self) -> StoreStatus:
        if self._receiving is None:
            return StoreStatus.CANNOT_UNDERSTAND  # the command announced no data set
        status = self._receiving.finish()
        self._receiving = None
        self._services.wake.ring()
        return status

    def _discard(self) -> None:
        if self._receiving is not None:
            self._receiving.discard()
            self._receiving = None

    def _respond(self, message: Message, status: int) -> None:
        field = number(message.command, "CommandField")
        self._statuses[f"{_name(field)} 0x{status:04X}"] += 1
        response: dict[str, Value] = {
            "CommandField": field | RESPONSE,
            "MessageIDBeingRespondedTo": number(message.command, "MessageID"),
            "Status": int(status),
        }
        for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID"):
            if keyword in message.command:
                response[keyword] = message.command[keyword]
        self._association.send(message.context_id, response)

    def _log(self, ended: str) -> None:
        calling = self._association.calling_ae_title
        log.info("association_closed", calling_ae_title=calling, ended=ended, statuses=dict(self._statuses))


def _name(field: int) -> str:
    try:
        return CommandField(field).name
    except ValueError:
        return f"0x{field:04X}"


def _where(error: BaseException) -> str:
    """Name the deepest line of a failure; its message may quote an identifier and stays out of the log."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return f"{Path(step.tb_frame.f_code.co_filename).name}:{step.tb_lineno}" if step else ""
