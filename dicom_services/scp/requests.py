"""Which service answers which request. Called where a process that answers queries is made (server.py, prefork.py)."""

from collections.abc import Mapping
from dataclasses import dataclass

from dicom_services.contexts import Service
from dicom_services.dimse.command import CommandField
from dicom_services.scp.association import Serve
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.ports import ArchivePort, QueryPort, SimilarCasesPort
from dicom_services.scp.query import answer_find
from dicom_services.scp.registrar import Flush
from dicom_services.scp.retrieve import Retrieve, answer_get, answer_move
from radir_node.settings import Dicom


@dataclass(frozen=True, slots=True)
class Ports:
    """What the server asks of the rest of the node."""

    archive: ArchivePort
    query: QueryPort
    similar: SimilarCasesPort


def requests(ports: Ports, config: Dicom, flush: Flush) -> Mapping[tuple[Service, CommandField], Serve]:
    """Return the services of everything beside C-ECHO and C-STORE.

    Each waits first until the catalogue holds what was acknowledged before: a peer finds what it has just sent.
    """

    retrieve = Retrieve(ports.query, ports.similar, config)

    def find(exchange: Exchange) -> None:
        flush()
        answer_find(exchange, ports.query, ports.similar, config)

    def move(exchange: Exchange) -> None:
        flush()
        answer_move(exchange, retrieve)

    def get(exchange: Exchange) -> None:
        flush()
        answer_get(exchange, retrieve)

    return {
        (Service.FIND, CommandField.C_FIND): find,
        (Service.MOVE, CommandField.C_MOVE): move,
        (Service.GET, CommandField.C_GET): get,
    }
