"""Which service answers which request. Called where a process that answers queries is made (server.py, prefork.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from dicom_services.contexts import Service
from dicom_services.dimse.command import CommandField
from dicom_services.scp.association import OpenNotices, Serve
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.notification import availability, commitment, mpps
from dicom_services.scp.ports import (
    ArchivePort,
    CommitmentPort,
    CompletionPort,
    ProcedureStepPort,
    QueryPort,
    SimilarCasesPort,
)
from dicom_services.scp.query.find import answer_find
from dicom_services.scp.retrieval.retrieve import Retrieve, answer_get, answer_move
from dicom_services.scp.storage.registrar import Flush
from dicom_services.scp.storage.spool import Spool
from radir_node.settings import Dicom


@dataclass(frozen=True, slots=True)
class Ports:
    """What the server asks of the rest of the node."""

    archive: ArchivePort
    query: QueryPort
    similar: SimilarCasesPort
    commitments: CommitmentPort
    steps: ProcedureStepPort
    completion: CompletionPort


def requests(ports: Ports, config: Dicom, flush: Flush, spool: Spool) -> Mapping[tuple[Service, CommandField], Serve]:
    """Return the services of everything beside C-ECHO and C-STORE.

    Each waits first until the catalogue holds what was acknowledged before: a peer finds what it has just sent.
    """

    retrieve = Retrieve(ports.query, ports.similar, config, spool)

    def find(exchange: Exchange) -> None:
        flush.before_answering(exchange.calling_ae_title)
        answer_find(exchange, ports.query, ports.similar, config)

    def move(exchange: Exchange) -> None:
        flush.before_answering(exchange.calling_ae_title)
        answer_move(exchange, retrieve)

    def get(exchange: Exchange) -> None:
        flush.before_answering(exchange.calling_ae_title)
        answer_get(exchange, retrieve)

    def commit(exchange: Exchange) -> None:
        commitment.answer_action(exchange, ports.commitments, ports.completion, ports.query, flush)

    return {
        (Service.FIND, CommandField.C_FIND): find,
        (Service.MOVE, CommandField.C_MOVE): move,
        (Service.GET, CommandField.C_GET): get,
        (Service.COMMITMENT, CommandField.N_ACTION): commit,
        (Service.COMMITMENT, CommandField.N_EVENT_REPORT): partial(
            commitment.answer_event_report, commitments=ports.commitments
        ),
        (Service.MPPS, CommandField.N_CREATE): partial(mpps.answer_create, steps=ports.steps),
        (Service.MPPS, CommandField.N_SET): partial(mpps.answer_set, steps=ports.steps, completion=ports.completion),
        (Service.AVAILABILITY, CommandField.N_CREATE): partial(availability.answer_create, completion=ports.completion),
    }


def notices(ports: Ports, config: Dicom) -> OpenNotices:
    """Return what finds what the node has to say to a caller on its own association."""
    return partial(commitment.owed_reports, commitments=ports.commitments, own_ae_title=config.ae_title)
