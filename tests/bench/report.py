"""The table that a run prints, and the same as JSON."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

PEERS = ("DCMTK", "pynetdicom")


@dataclass(frozen=True)
class Measured:
    """The repetitions of one measurement."""

    samples: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    def __str__(self) -> str:
        if not self.samples:
            return ""
        low, high = min(self.samples), max(self.samples)
        spread = f" ({number(low)}-{number(high)})" if len(self.samples) > 1 else ""
        return number(self.median) + spread


def number(value: float) -> str:
    """Three significant digits at most."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


@dataclass
class Line:
    """One row."""

    group: str
    name: str
    unit: str
    systems: Mapping[str, Measured]
    extra: Mapping[str, Measured]
    megabytes: float
    more_is_better: bool

    def ratio(self, peer: str) -> float | None:
        """How many times as good as the peer the node is, by the medians."""
        if peer not in self.systems or "node" not in self.systems:
            return None
        ours, theirs = self.systems["node"].median, self.systems[peer].median
        return ours / theirs if self.more_is_better else theirs / ours


@dataclass
class Report:
    """Rows as they are measured."""

    facts: dict[str, str]
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        group: str,
        name: str,
        unit: str,
        systems: Mapping[str, Measured],
        extra: Mapping[str, Measured] | None = None,
        megabytes: float = 0,
        more_is_better: bool = False,
    ) -> None:
        self.lines.append(Line(group, name, unit, systems, extra or {}, megabytes, more_is_better))

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def show(self) -> None:
        console = Console(width=None if Console().is_terminal else 190)
        table = Table(title="The node beside DCMTK and stock pynetdicom", title_justify="left")
        for name in ("group", "row", "unit"):
            table.add_column(name)
        for name in ("node, durable", "until registered", "DCMTK", "pynetdicom", "disk alone"):
            table.add_column(name, justify="right")
        for peer in PEERS:
            table.add_column(f"node / {peer}", justify="right", style="bold")
        before = ""
        for line in self.lines:
            if before and line.group != before:
                table.add_section()
            table.add_row(line.group if line.group != before else "", *self._cells(line))
            before = line.group
        console.print(table)
        for name, value in self.facts.items():
            console.print(f"{name}: {value}", highlight=False)
        for text in (*_LEGEND, *self.notes):
            console.print(f"- {text}", highlight=False)

    def _cells(self, line: Line) -> list[str]:
        systems = [str(line.systems.get(name, "")) for name in ("node", *PEERS)]
        ratios = [f"{value:.2f}x" if (value := line.ratio(peer)) is not None else "" for peer in PEERS]
        extra = {name: str(measured) for name, measured in line.extra.items()}
        return [
            line.name,
            line.unit,
            systems[0],
            extra.get("registered", ""),
            *systems[1:],
            extra.get("disk alone", ""),
            *ratios,
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "facts": self.facts,
            "notes": [*_LEGEND, *self.notes],
            "rows": [
                {
                    "group": line.group,
                    "row": line.name,
                    "unit": line.unit,
                    "megabytes": line.megabytes,
                    "samples": {name: m.samples for name, m in {**line.systems, **line.extra}.items()},
                    "ratios": {peer: line.ratio(peer) for peer in PEERS},
                }
                for line in self.lines
            ],
        }


_LEGEND = (
    "Median (lowest-highest). A ratio above 1 means that the node is better: peer's median / node's, or the reverse "
    "for rates.",
    "C-STORE: wall time of DCMTK's storescu, its start included; one process per association, every system in turn. "
    "TCP_NODELAY is set for storescu and DCMTK's servers except in the rows marked Nagle; stock pynetdicom has it "
    "off always.",
    "node, durable: every object fsynced before it is acknowledged. The others write and leave the rest to the system. "
    "until registered: the node's rows in Postgres are committed too.",
    "disk alone: the same objects written and fsynced by one loop per association, without any network.",
    "On one association DCMTK is storescp, on four storescp --fork; for C-FIND it is dcmqrscp.",
)
