"""The exchange with peers as the DICOM page and the metrics show it: from settings, spool and catalogue."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from radir_node.catalog.attempts import DEAD
from radir_node.catalog.exchange import Exchange
from radir_node.catalog.operator_actions import OperatorActions
from radir_node.domain.study import Completion, Evidence, StudyState
from radir_node.node.node import Node
from radir_node.node.peers import roles
from radir_node.node.run_files import endpoint
from radir_node.node.status import unregistered
from radir_node.settings import Dicom
from radir_node.web import dicom_state as page

LISTED = 50
LAST_FINISHED = 15
LAST_DEEDS = 10


def dicom_state(node: Node) -> page.DicomState:
    """Read everything anew. Raises DatabaseDown or StorageFull."""
    exchange, dicom = Exchange(node.database), node.settings.dicom
    owed, counts = exchange.owed(), node.studies.counts()["studies"]
    now = dt.datetime.now(dt.UTC)
    return page.DicomState(
        checked_at=now,
        service=_service(node),
        peers=_peers(dicom),
        timeouts=_timeouts(dicom),
        spool=_spool(node, now),
        open_count=counts.get(StudyState.RECEIVING, 0) + counts.get(StudyState.QUIET, 0),
        open_studies=tuple(_open(row) for row in exchange.open_studies(LISTED)),
        finished=tuple(_finished(row) for row in exchange.finished_studies(LAST_FINISHED)),
        completions=exchange.completions(),
        deliveries=page.Debts(
            owed.deliveries_waiting,
            owed.deliveries_dead,
            tuple(_debt(row, row["peer"], row["case_id"]) for row in exchange.deliveries(LISTED)),
        ),
        reports=page.Debts(
            owed.reports_waiting,
            owed.reports_dead,
            tuple(_debt(row, row["calling_ae_title"], _objects(row["instances"])) for row in exchange.reports(LISTED)),
        ),
        refusals=tuple(page.KindOfRefusal(*row) for row in exchange.refusals(LISTED)),
        deeds=tuple(
            page.Deed(one.at, one.actor, one.action, one.subject, one.outcome)
            for one in OperatorActions(node.database).recent(LAST_DEEDS)
        ),
    )


def _service(node: Node) -> page.Service:
    dicom = node.settings.dicom
    open_at = ((endpoint(node.root, "scp"), ""), (endpoint(node.root, "scp-tls"), " (TLS)"))
    addresses = tuple(f"{at[0]}:{at[1]}{kind}" for at, kind in open_at if at is not None)
    return page.Service(dicom.ae_title, addresses, dicom.unknown_callers)


def _peers(dicom: Dicom) -> tuple[page.Peer, ...]:
    return tuple(
        page.Peer(name, peer.ae_title, f"{peer.host}:{peer.port}", peer.tls, peer.allow, roles(dicom, name))
        for name, peer in sorted(dicom.peers.items())
    )


def _timeouts(dicom: Dicom) -> tuple[page.Timeout, ...]:
    fields = type(dicom.timeouts).model_fields
    described = {name: " ".join((field.description or "").split()) for name, field in fields.items()}
    return tuple(
        page.Timeout(name.removesuffix("_seconds"), getattr(dicom.timeouts, name), meaning)
        for name, meaning in described.items()
    )


def _spool(node: Node, now: dt.datetime) -> page.Spool:
    held = unregistered(node)
    age = None if held.oldest is None else max(0.0, (now - held.oldest).total_seconds())
    return page.Spool(held.objects, held.size_bytes, age, held.quarantined)


def _open(row: Mapping[str, Any]) -> page.OpenStudy:
    return page.OpenStudy(
        case_id=row["case_id"],
        modality=row["modalities"] or "",
        state=StudyState(row["state"]),
        instances=row["number_of_instances"],
        expected=row["expected_instances"],
        missing=row["missing"],
        in_progress=row["in_progress"],
        opened_at=row["opened_at"],
        last_received_at=row["last_received_at"],
    )


def _finished(row: Mapping[str, Any]) -> page.FinishedStudy:
    return page.FinishedStudy(
        case_id=row["case_id"],
        modality=row["modalities"] or "",
        state=StudyState(row["state"]),
        instances=row["number_of_instances"],
        completion=Completion(row["completion"]),
        evidence=Evidence(row["evidence"]),
        last_received_at=row["last_received_at"],
    )


def _objects(count: int) -> str:
    return f"{count} instance{'' if count == 1 else 's'}"


def _debt(row: Mapping[str, Any], peer: str, subject: str) -> page.Debt:
    names = ("attempts", "reason", "next_attempt_at", "created_at")
    return page.Debt(row["id"], peer, subject, row["state"] == DEAD, **{name: row[name] for name in names})
