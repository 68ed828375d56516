"""The orders of a message, what each says, and which of them are one report. Called by hl7_message."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from radir_node.domain.received_report import ReportStatus
from radir_node.errors import UnreadableReport
from radir_node.reports.intake.hl7_observations import ADDENDUM, Line, lines_of, study_uids, text_of
from radir_node.reports.intake.hl7_segments import Segment
from radir_node.reports.intake.hl7_status import OF_DOCUMENT_EVENT, of_document, of_line, of_order, of_parts, of_report
from radir_node.reports.intake.source import FIELD, SourceRules

MAX_ORDERS = 100

_KEYS = ("OBR-3.1", "ORC-3.1", "TXA-15.1")

Told = dict[Line, ReportStatus | None]
"""Lines of text and documents, each with what OBX-11 makes of it."""


@dataclass(slots=True)
class Order:
    """An OBR with its ORC before, and OBX and ZDS behind it; several where they have one report key.

    Of an MDM message it is the document with all its orders.
    """

    segments: list[Segment] = field(default_factory=list)
    status: ReportStatus | None = None
    """None = it says neither that nor a text."""
    text: str = ""

    @property
    def observations(self) -> list[Segment]:
        return [segment for segment in self.segments if segment.name == "OBX"]

    def values(self, path: str) -> list[str]:
        """Return what stands at a path like "OBR-18" or "ZDS-1.1", once for each segment and repetition."""
        matched = FIELD.fullmatch(path)
        assert matched is not None  # SourceRules takes no others
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

    def filler_number(self) -> str:
        """Return the filler order number, of an MDM message without orders that of the document."""
        return self.value(*_KEYS)

    def key(self, fields: Sequence[str]) -> str:
        """Return the report key that this order has alone, as completeness.complete has it; "" where it has none."""
        found = (self.filler_number(), *self.accession_numbers(fields), *self.study_instance_uids())
        return next((key for key in found if key), "")


def orders_of(segments: Sequence[Segment], event: str, rules: SourceRules) -> list[Order]:
    """Return the orders of a message with what each says.

    Raise UnreadableReport where there is none, where one holds a text without a status, or a document cannot be read.
    """
    if event in OF_DOCUMENT_EVENT:
        document = Order(list(segments))
        told = _told(document, rules.statuses)
        _understand(document, [(_of_document(document, event, told, rules.statuses), told)])
        return [document]
    split = list(_split(segments))
    if not split:
        raise UnreadableReport("no OBR segment")
    if len(split) > MAX_ORDERS:
        raise UnreadableReport(f"more than {MAX_ORDERS} OBR segments")
    orders = _gathered(split, rules.accession_fields)
    for order in orders:
        _understand(order, _distinct(_part(part, rules.statuses) for part in _split(order.segments)))
    return orders


def reports_of(orders: Sequence[Order]) -> list[list[Order]]:
    """Return which orders are one report: those of the same text and status, and neighbours without a text.

    An order without a text belongs to the next that has one, else to the one before, unless only one of the two is
    still to be read; with neither it belongs to none. A cancelled order stands alone.
    """
    reports: dict[object, list[Order]] = {}
    for at, order in enumerate(orders):
        if order.status is ReportStatus.CANCELLED:
            reports[at] = [order]
            continue
        carrier = order if order.text else _neighbour(orders, at)
        if carrier is not None:
            reports.setdefault((carrier.status, carrier.text), []).append(order)
    return list(reports.values())


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


def _gathered(orders: Iterable[Order], fields: Sequence[str]) -> list[Order]:
    """Put together the orders of one report key: as reports of their own each would take the place of the last."""
    by_key: dict[object, Order] = {}
    for number, order in enumerate(orders):
        kept = by_key.setdefault(order.key(fields) or number, order)
        if kept is not order:
            kept.segments += order.segments
    return list(by_key.values())


def _told(order: Order, own: Mapping[str, ReportStatus]) -> Told:
    return {line: of_line(line.status, own) for line in lines_of(order.observations)}


def _ordered(order: Order, own: Mapping[str, ReportStatus]) -> ReportStatus | None:
    code = order.value("OBR-25").upper()
    status = of_order(code, own)
    if code and status is None:
        raise UnreadableReport("OBR-25: no result status of table 0123 that a report can have")
    return status


def _part(order: Order, own: Mapping[str, ReportStatus]) -> tuple[ReportStatus | None, Told]:
    """Return status and lines of one OBR; what is taken away or preliminary as a whole is so line by line."""
    told = _told(order, own)
    status = of_report(_ordered(order, own), told.values())
    if status in (ReportStatus.CANCELLED, ReportStatus.PRELIMINARY):
        told = {line: said if said is ReportStatus.CANCELLED else status for line, said in told.items()}
    return status, told


def _of_document(document: Order, event: str, told: Told, own: Mapping[str, ReportStatus]) -> ReportStatus:
    completion, availability = document.value("TXA-17").upper(), document.value("TXA-19").upper()
    said = None if completion else of_report(_ordered(document, own), told.values())
    return of_document(event, completion, availability, said, own)


def _distinct(parts: Iterable[tuple[ReportStatus | None, Told]]) -> list[tuple[ReportStatus | None, Told]]:
    """Leave out parts that repeat one before: many senders write the text of several procedures under each of them."""
    seen: dict[object, tuple[ReportStatus | None, Told]] = {}
    for status, told in parts:
        seen.setdefault((status, *((line.heading, line.text(), said) for line, said in told.items())), (status, told))
    return list(seen.values())


def _understand(order: Order, parts: Sequence[tuple[ReportStatus | None, Told]]) -> None:
    """Note what an order says, by its status and that of its lines."""
    order.status = status = of_parts([part for part, told in parts if told] or [part for part, _ in parts])
    if status is ReportStatus.CANCELLED:
        return
    kept = list(_kept(status, parts))
    addenda = [line for line in kept if line.heading == ADDENDUM]
    if addenda and status in (ReportStatus.FINAL, ReportStatus.CORRECTED):
        # Sent alone it is added to the report, sent with the report it stands in the place of all that was sent before
        order.status = ReportStatus.ADDENDUM if len(addenda) == len(kept) else ReportStatus.CORRECTED
    if order.status is ReportStatus.ADDENDUM:
        kept = [replace(line, heading="") if line.heading == ADDENDUM else line for line in kept]
    order.text = text_of(kept)
    if order.text and order.status is None:
        raise UnreadableReport("neither OBR-25 nor OBX-11 says whether the report is final")


def _kept(status: ReportStatus | None, parts: Iterable[tuple[ReportStatus | None, Told]]) -> Iterator[Line]:
    """Yield the lines of a report: none that was taken away, and no preliminary one in a final report."""
    left_out = {ReportStatus.CANCELLED}
    if status is not ReportStatus.PRELIMINARY:
        left_out.add(ReportStatus.PRELIMINARY)
    for part, told in parts:
        is_added = part is ReportStatus.ADDENDUM and status is not ReportStatus.ADDENDUM
        lines = (line for line, said in told.items() if said not in left_out)
        yield from (replace(line, heading=ADDENDUM) if is_added else line for line in lines)


def _neighbour(orders: Sequence[Order], at: int) -> Order | None:
    """Return the order whose text is that of an order without one; None = there is none that fits."""
    later = next((order for order in orders[at + 1 :] if order.text), None)
    earlier = next((order for order in reversed(orders[:at]) if order.text), None)
    return next((order for order in (later, earlier) if order is not None and _may_share(orders[at], order)), None)


def _may_share(order: Order, carrier: Order) -> bool:
    """Tell whether an order without a text may have that of another: none that is still to be read has a final one."""
    preliminary = ReportStatus.PRELIMINARY
    return order.status is None or (order.status is preliminary) == (carrier.status is preliminary)
