"""What a result status makes of a report (HL7 v2.5.1: OBR-25 table 0123, OBX-11 table 0085, TXA-17 table 0271)."""

from collections.abc import Iterable, Mapping, Sequence

from radir_node.domain.received_report import ReportStatus
from radir_node.errors import UnreadableReport

OF_ORDER: Mapping[str, ReportStatus] = {
    "F": ReportStatus.FINAL,
    "C": ReportStatus.CORRECTED,
    "X": ReportStatus.CANCELLED,
    "D": ReportStatus.CANCELLED,  # not of table 0123, and sent all the same
    **dict.fromkeys(("P", "R", "A", "I", "S", "O"), ReportStatus.PRELIMINARY),
}
"""OBR-25. A is "some, but not all, results available"; senders that mean an addendum are configured."""
OF_LINE: Mapping[str, ReportStatus] = {
    **dict.fromkeys(("F", "U"), ReportStatus.FINAL),
    "C": ReportStatus.CORRECTED,
    **dict.fromkeys(("D", "X", "W"), ReportStatus.CANCELLED),
    **dict.fromkeys(("P", "R", "I", "S", "O", "N"), ReportStatus.PRELIMINARY),
}
"""OBX-11. W: posted to the wrong patient."""
OF_DOCUMENT: Mapping[str, ReportStatus] = {
    **dict.fromkeys(("AU", "LA"), ReportStatus.FINAL),
    **dict.fromkeys(("DI", "DO", "IP", "IN", "PA"), ReportStatus.PRELIMINARY),
}
"""TXA-17."""
OF_DOCUMENT_EVENT: Mapping[str, ReportStatus] = {
    "T02": ReportStatus.FINAL,
    "T04": ReportStatus.FINAL,
    "T06": ReportStatus.ADDENDUM,
    "T08": ReportStatus.CORRECTED,
    "T10": ReportStatus.CORRECTED,
    "T11": ReportStatus.CANCELLED,
}
"""MDM events that carry a document or take it away (chapter 9.3): new, status, addendum, edit, replacement, cancel."""


def of_order(code: str, own: Mapping[str, ReportStatus]) -> ReportStatus | None:
    """Return the meaning of OBR-25, the source's own before that of the standard; None where it has none."""
    return own.get(code) or OF_ORDER.get(code)


def of_line(code: str, own: Mapping[str, ReportStatus]) -> ReportStatus | None:
    """Return the meaning of OBX-11, as of_order does."""
    return own.get(code) or OF_LINE.get(code)


def of_report(order: ReportStatus | None, lines: Iterable[ReportStatus | None]) -> ReportStatus | None:
    """Return what a report is whose order says one thing and whose lines of text may say others; None = not told.

    A final order with a corrected line is a correction; lines that were all taken away take the report away; without
    word of the order the most preliminary line decides.
    """
    told = {line for line in lines if line is not None}
    if told == {ReportStatus.CANCELLED}:
        return ReportStatus.CANCELLED
    told.discard(ReportStatus.CANCELLED)
    if order is None:
        ranked = (ReportStatus.PRELIMINARY, ReportStatus.CORRECTED, ReportStatus.ADDENDUM, ReportStatus.FINAL)
        return next((status for status in ranked if status in told), None)
    if order is ReportStatus.FINAL and told == {ReportStatus.PRELIMINARY}:
        return ReportStatus.PRELIMINARY
    if order is ReportStatus.FINAL and ReportStatus.CORRECTED in told:
        return ReportStatus.CORRECTED
    return order


def of_parts(parts: Sequence[ReportStatus | None]) -> ReportStatus | None:
    """Return what a report is that stands under several OBRs: what is read of it is shown without the rest."""
    ranked = (
        ReportStatus.CORRECTED,
        ReportStatus.FINAL,
        ReportStatus.ADDENDUM,
        ReportStatus.PRELIMINARY,
        ReportStatus.CANCELLED,
    )
    return next((status for status in ranked if status in parts), None)


def of_document(
    event: str, completion: str, availability: str, said: ReportStatus | None, own: Mapping[str, ReportStatus]
) -> ReportStatus:
    """Return what an MDM message makes of its document: its event, as far as TXA-17 lets it be shown.

    The standard requires TXA-17; where it is empty `said`, what OBR-25 and OBX-11 make of it, is in its place, and is
    no more guessed than in other messages. A document that is cancelled or obsolete (TXA-19, table 0273: CA, OB) is
    taken away. Raise UnreadableReport where TXA-17 is unknown or nothing tells.
    """
    status = OF_DOCUMENT_EVENT[event]
    if status is ReportStatus.CANCELLED or availability in ("CA", "OB"):
        return ReportStatus.CANCELLED
    shown = own.get(completion) or OF_DOCUMENT.get(completion) if completion else said
    if shown is None and completion:
        raise UnreadableReport("TXA-17: no completion status of table 0271")
    if shown is None:
        raise UnreadableReport("neither TXA-17, OBR-25 nor OBX-11 says whether the document is final")
    return shown if shown in (ReportStatus.PRELIMINARY, ReportStatus.CANCELLED) else status
