"""Answers C-FIND: what the catalogue holds, and inside each indexed study the series of similar cases.

A patient or study query is answered literally: never with another patient's studies. Called by requests.py.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import structlog

from dicom_services.character_sets import CharacterSet, character_set
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.ports import QueryPort, SimilarCasesPort
from dicom_services.scp.query.answers import AnswerPacker
from dicom_services.scp.query.identifier import InvalidIdentifier, Negotiated, ParsedFind, parse_find
from dicom_services.scp.query.identifier_reader import MalformedIdentifier, read_identifier
from dicom_services.scp.query.matches import matches
from radir_node.errors import TransientError
from radir_node.settings import Dicom

log = structlog.get_logger()

SUCCESS = 0x0000
PENDING = 0xFF00
PENDING_KEYS_UNSUPPORTED = 0xFF01
CANCELLED = 0xFE00
OUT_OF_RESOURCES = 0xA700
IDENTIFIER_MISMATCH = 0xA900
UNABLE_TO_PROCESS = 0xC000

_LOOK_SECONDS = 0.02
"""Between two looks for a C-CANCEL; answers that wait are sent then too."""


def answer_find(exchange: Exchange, query: QueryPort, similar: SimilarCasesPort, config: Dicom) -> None:
    """Send one pending response per match, then the final status (PS3.4 C.4.1.2)."""
    try:
        identifier = read_identifier(exchange.dataset or b"", exchange.transfer_syntax)
        negotiated = Negotiated(exchange.relational, exchange.combined_datetime, exchange.empty_value)
        parsed = parse_find(identifier, exchange.is_patient_root, negotiated)
        _answer(exchange, parsed, matches(parsed, query, similar), config.ae_title)
    except MalformedIdentifier as error:
        exchange.respond(UNABLE_TO_PROCESS, comment=str(error))
    except InvalidIdentifier as error:
        exchange.respond(IDENTIFIER_MISMATCH, comment=str(error))
    except TransientError as error:
        log.warning("find_failed", error=type(error).__name__)
        exchange.respond(OUT_OF_RESOURCES, comment="the catalogue does not answer")


def packer(parsed: ParsedFind, transfer_syntax: str, ae_title: str, of_peer: str = "") -> AnswerPacker:
    """Return what packs the answers to a query; of_peer: the peer's character set where the query names none."""
    constants = {
        "QueryRetrieveLevel": parsed.request.level.value,
        "RetrieveAETitle": ae_title,
        "InstanceAvailability": "ONLINE",
    }
    sets = _character_sets(parsed.character_set, of_peer)
    items = {key.keyword: key.returned for key in parsed.sequences}
    return AnswerPacker(parsed.request.returned, constants, transfer_syntax, sets, items)


def _answer(exchange: Exchange, parsed: ParsedFind, found: Iterator[Mapping[str, object]], ae_title: str) -> None:
    pending = PENDING if parsed.complete else PENDING_KEYS_UNSUPPORTED
    limit = exchange.admission.find_limit
    pack = packer(parsed, exchange.transfer_syntax, ae_title, exchange.admission.character_set).pack
    look_at = time.monotonic() + _LOOK_SECONDS
    for number, row in enumerate(found):
        if time.monotonic() >= look_at:
            if exchange.cancelled:
                exchange.respond(CANCELLED)
                return
            if not exchange.alive:
                return
            look_at = time.monotonic() + _LOOK_SECONDS
        if number == limit:
            exchange.respond(OUT_OF_RESOURCES, comment=f"more than {limit} matches")
            return
        exchange.respond_encoded(pending, pack(row))
    exchange.respond(SUCCESS)


def _character_sets(of_query: CharacterSet, of_peer: str) -> Sequence[CharacterSet]:
    return [of_query] if of_query.terms or not of_peer else [character_set(of_peer.split("\\"))]
