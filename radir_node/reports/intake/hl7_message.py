"""Reads reports from HL7 v2 messages: ORU^R01 (chapter 7.3.1) and MDM with a document (chapter 9.6).

The bytes of one message to the reports that it holds; where the standard leaves a choice the rules are those of IHE
RAD TF-2. Called behind the MLLP server.

One message is one report of all its orders as long as their texts are the same or only one of them has a text: chest
and abdomen that were read together. Where orders have texts of their own, each is a report, and a cancelled order is
always one. Orders of one report key are one order. Either all of a message is read or nothing.
"""

from collections.abc import Iterable, Sequence

from radir_node.domain.received_report import ReceivedReport, ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.completeness import Draft, complete
from radir_node.reports.intake.hl7_header import Condition, UnsupportedMessage
from radir_node.reports.intake.hl7_orders import Order, orders_of, reports_of, told_by
from radir_node.reports.intake.hl7_people import people
from radir_node.reports.intake.hl7_segments import Segment, Value, read_segments
from radir_node.reports.intake.hl7_status import OF_DOCUMENT_EVENT
from radir_node.reports.intake.hl7_time import read_time, zone_of
from radir_node.reports.intake.source import STANDARD, SourceRules

_PATIENT_ID_TYPES = ("MR", "PI", "")
"""PID-3.5 (table 0203): medical record number, internal number, not told; others only for want of these."""


def read_message(raw: bytes, rules: SourceRules = STANDARD) -> tuple[ReceivedReport, ...]:
    """Return the reports of one message, without the MLLP frame; at least one.

    report_key is the filler order number (OBR-3, ORC-3, TXA-15), else the first accession number. effective_at is
    OBR-22, of a document EVN-2, else MSH-7, the first to the hour or better: a mere day would put a version before
    all others of that day. A time without a zone is in that of MSH-7. Raise UnsupportedMessage where the message is of
    another kind, UnreadableReport where it is faulty or says too little.
    """
    segments = read_segments(raw, rules)
    event = _event(segments)
    reports = reports_of(orders_of(segments, event, rules))
    if not reports:
        raise UnreadableReport("no report text in OBX-5 of type TX, FT, ST or ED")
    return tuple(_report(orders, segments, rules) for orders in reports)


def _event(segments: Sequence[Segment]) -> str:
    """Return the trigger event. Raise UnsupportedMessage unless it is one that carries a report in version 2."""
    header = segments[0]
    kind, event = header.value(9).upper(), header.value(9, 2).upper()
    if any(segment.name == "MSH" for segment in segments[1:]):
        raise UnsupportedMessage("more than one MSH segment; messages are taken one by one", Condition.SEGMENT_SEQUENCE)
    version = header.value(12)
    if version and not version.startswith("2"):
        raise UnsupportedMessage("MSH-12: only HL7 version 2 is read", Condition.VERSION)
    if kind not in ("ORU", "MDM"):
        raise UnsupportedMessage("MSH-9: not a report; ORU^R01 and MDM are read", Condition.MESSAGE_TYPE)
    if kind == "ORU" and event not in ("R01", ""):
        raise UnsupportedMessage("MSH-9: of ORU only R01 is read", Condition.EVENT)
    if kind == "MDM" and event not in OF_DOCUMENT_EVENT:
        raise UnsupportedMessage("MSH-9: of MDM only T02, T04, T06, T08, T10 and T11 are read", Condition.EVENT)
    return event if kind == "MDM" else "R01"


def _report(orders: Sequence[Order], segments: Sequence[Segment], rules: SourceRules) -> ReceivedReport:
    """Put together the report of some orders; the people of the whole message are its identifiers."""
    told = told_by(orders)
    patient_id, issuer = _patient(segments)
    whole = Order(list(segments))
    zone = zone_of(whole.value("MSH-7"))
    moments = (told.value("OBR-22"), whole.value("EVN-2"), whole.value("MSH-7"))
    draft = Draft(
        status=told.status or ReportStatus.PRELIMINARY,
        text=told.text,
        report_key=_first(order.filler_number() for order in orders),
        accession_numbers=[number for order in orders for number in order.accession_numbers(rules.accession_fields)],
        study_instance_uids=[uid for order in orders for uid in order.study_instance_uids()],
        patient_id=patient_id,
        issuer_of_patient_id=issuer,
        title=told.value("OBR-4.2", "OBR-4.1"),
        effective_at=next((found for moment in moments if (found := read_time(moment, zone))), None),
        identifiers=list(people(segments)),
    )
    return complete(draft, rules, f"{', '.join(rules.accession_fields)}, ZDS-1, IPC-3")


def _patient(segments: Iterable[Segment]) -> tuple[str, str]:
    """Return patient ID and issuer (CX-4: namespace, else universal ID) of the best repetition of PID-3."""
    numbers = (value for segment in segments if segment.name == "PID" for value in segment.values(3))
    ranked = sorted((value for value in numbers if value.component(1)), key=_rank)
    best = next(iter(ranked), None)
    if best is None:
        return "", ""
    return best.component(1), best.component(4) or best.component(4, 2)


def _rank(value: Value) -> int:
    kind = value.component(5).upper()
    return _PATIENT_ID_TYPES.index(kind) if kind in _PATIENT_ID_TYPES else len(_PATIENT_ID_TYPES)


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")
