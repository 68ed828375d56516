"""The orders of a message, what each says, and which of them are one report. Called by hl7_message."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from radir_node.domain.received_report import ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.hl7_observations import ADDENDUM, Line, lines_of, study_uids, text_of
from radir_node.reports.intake.hl7_segments import Segment
from radir_node.reports.intake.hl7_status import OF_DOCUMENT_EVENT, of_document, of_line, of_order, of_report
from radir_node.reports.intake.source import FIELD

MAX_ORDERS = 100


@dataclass(slots=True)
class Order:
    """An OBR with its ORC before, and OBX and ZDS behind it; of an MDM message the document with all its orders."""

    segments: list[Segment] = field(default_factory=list)
    status: ReportStatus | None = None
    """None = it says neither that nor a text: it shares the report of its neighbour."""
    text: str = ""

    @property
    def observations(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.name == "OBX"]

    def values(self, path: str) -> list[str]:
        """Return what stands at a path like "OBR-18" or "ZDS-1.1", once for each segment and repetition."""
        matched = FIELD.fullmatch(path)
        if matched is None:
            return []
        name, number, component = matched[1], int(matched[2]), int(matched[3] or 1)
        named = (segment for segment in self.segments if segment.name == name)
        found = (value.component(component) for segment in named for value in segment.values(number))
        return [value for value in found if value]

    def value(self, *paths: str) -> str:
        """Return the first value at the first path that has one."""
        return next((value for path in paths for value in self.values(path)), "")

    def accession_numbers(self, fields: Sequence[str]) -> list[str]:
        return next((found for path in fields if (found := self.values(path))), [])

    def study_instance_uids(self) -> list[str]:
        return [*self.values("ZDS-1.1"), *self.values("IPC-3.1"), *study_uids(self.observations)]


def orders_of(segments: Sequence[Segment], event: str, own: Mapping[str, ReportStatus]) -> list[Order]:
    """Return the orders of a message with what each says. own: the source's meanings of result statuses.

    Raise UnreadableReport where there is none, where one holds a text without a status, or a document cannot be read.
    """
    is_document = event in OF_DOCUMENT_EVENT
    orders = [Order(list(segments))] if is_document else list(_split(segments))
    if not orders:
        raise UnreadableReport("no OBR segment")
    if len(orders) > MAX_ORDERS:
        raise UnreadableReport(f"more than {MAX_ORDERS} OBR segments")
    for order in orders:
        lines = lines_of(order.observations)
        told = {line: of_line(line.status, own) for line in lines}
        if is_document:
            status = of_document(event, order.value("TXA-17").upper(), order.value("TXA-19").upper())
        else:
            status = of_report(_ordered(order, own), told.values())
        _understand(order, status, told)
    return orders


def reports_of(orders: Sequence[Order]) -> list[list[Order]]:
    """Return which orders are one report: those of the same text and status, and neighbours without a text.

    An order without a text belongs to the next that has one, else to the one before. A cancelled order stands alone.
    """
    reports: list[list[Order]] = []
    waiting: list[Order] = []
    for order in orders:
        if order.status is ReportStatus.CANCELLED:
            reports.append([order])
        elif not order.text:
            waiting.append(order)
        else:
            same = next((report for report in reports if _is_same(report, order)), None)
            if same is None:
                reports.append([*waiting, order])
            else:
                same += (*waiting, order)
            waiting = []
    if waiting:
        with_text = [report for report in reports if report[-1].text]
        if not with_text:
            return reports
        with_text[-1] += waiting
    return reports


def told_by(report: Sequence[Order]) -> Order:
    """Return the order of a report that carries its text and status."""
    return next((order for order in report if order.text), report[0])


def _split(segments: Sequence[Segment]) -> Iterator[Order]:
    """Yield one order for each OBR; what comes before the first, but its ORC, is of the patient."""
    order: Order | None = None
    common: list[Segment] = []
    for segment in segments:
        if segment.name == "ORC":
            common = [segment]
        elif segment.name == "OBR":
            if order is not None:
                yield order
            order = Order([*common, segment])
            common = []
        elif order is not None:
            order.segments.append(segment)
    if order is not None:
        yield order


def _ordered(order: Order, own: Mapping[str, ReportStatus]) -> ReportStatus | None:
    code = order.value("OBR-25").upper()
    status = of_order(code, own)
    if code and status is None:
        raise UnreadableReport("OBR-25: no result status of table 0123 that a report can have")
    return status


def _understand(order: Order, status: ReportStatus | None, told: Mapping[Line, ReportStatus | None]) -> None:
    """Note what an order says: lines that were taken away are left out, preliminary ones in a final report too."""
    left_out = {ReportStatus.CANCELLED}
    if status is not ReportStatus.PRELIMINARY:
        left_out.add(ReportStatus.PRELIMINARY)
    kept = [line for line, said in told.items() if said not in left_out]
    order.status = status
    if status is ReportStatus.CANCELLED:
        return
    addenda = [line for line in kept if line.heading == ADDENDUM]
    if addenda and status not in (None, ReportStatus.PRELIMINARY):
        # Sent alone it is added to the report, sent with the report it stands in the place of all that was sent before
        order.status = ReportStatus.ADDENDUM if len(addenda) == len(kept) else ReportStatus.CORRECTED
    if order.status is ReportStatus.ADDENDUM:
        kept = [replace(line, heading="") if line.heading == ADDENDUM else line for line in kept]
    order.text = text_of(kept)
    if order.text and order.status is None:
        raise UnreadableReport("neither OBR-25 nor OBX-11 says whether the report is final")


def _is_same(report: Sequence[Order], order: Order) -> bool:
    other = told_by(report)
    return (other.status, other.text) == (order.status, order.text)
