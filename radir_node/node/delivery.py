"""The delivery job: sends to one peer what is due for it, and tells what may pass from what will not.

Called by the worker (jobs.DELIVER); the queue itself is radir_node.catalog.deliveries.
"""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from dicom_services.scu.caller import Caller
from dicom_services.scu.outcome import Outcome, of_failure, of_status
from dicom_services.scu.send import send_files
from radir_node.catalog.deliveries import Deliveries, Delivery
from radir_node.errors import RadirError
from radir_node.node.node import Node
from radir_node.settings import Peer

log = structlog.get_logger()


def deliver(node: Node, peer: str) -> None:
    """Send everything that is due for a peer of the configuration; stop when it cannot be reached."""
    known = node.settings.dicom.peers.get(peer)
    while batch := node.deliveries.claim(peer):
        if known is None:
            node.deliveries.given_up([item.id for item in batch], "dicom.peers names no such peer any more")
        elif not _send(node, peer, known, batch):
            return


def _send(node: Node, name: str, peer: Peer, batch: Sequence[Delivery]) -> bool:
    """Send over one association; False when there is none to be had."""
    try:
        paths = [node.root / item.path for item in batch]
        outcomes = send_files(peer, paths, Caller.of(node.settings.dicom)).outcomes
    except RadirError as error:
        outcome = of_failure(error)
        _note(node.deliveries, name, outcome, [item.id for item in batch], str(error))
        log.warning("delivery_failed", peer=name, outcome=outcome, objects=len(batch), reason=str(error))
        return False
    by_status = defaultdict(list)
    for item, (_, status) in zip(batch, outcomes, strict=True):
        by_status[status].append(item.id)
    for status, ids in by_status.items():
        _note(node.deliveries, name, of_status(status), ids, f"C-STORE status 0x{status:04X}")
        log.info("objects_sent", peer=name, outcome=of_status(status), objects=len(ids))
    return True


def _note(deliveries: Deliveries, peer: str, outcome: Outcome, ids: Sequence[int], reason: str) -> None:
    match outcome:
        case Outcome.DELIVERED:
            deliveries.delivered(ids)
        case Outcome.TRANSIENT:
            deliveries.postponed(peer, ids, reason)
        case Outcome.PERMANENT:
            deliveries.given_up(ids, reason)
