"""The whole of `radir annotate`: reports of a split to tables, as far as they are not there yet, and the data sheet."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from radir_node.errors import StorageFull, UserError
from radir_node.learning.annotate.datasheet import Facts, write_datasheet
from radir_node.learning.annotate.layout import Layout, beside, digest_of, remove_parts
from radir_node.learning.annotate.mentions import Mentions, draw, read_mentions
from radir_node.learning.annotate.nodes import WHOLE, AnatomyNode, chosen_nodes
from radir_node.learning.annotate.shards import Shard
from radir_node.learning.annotate.source import ReportSource, SourceReport
from radir_node.learning.annotate.tables import (
    Scoring,
    Table,
    adopt_table,
    is_made,
    make_table,
    remove_others,
    remove_table,
)
from radir_node.reports.similarity.embedder import VocabularyEmbedder
from radir_node.reports.similarity.rate_score import MEMORY
from radir_node.reports.similarity.weights import LONG

_IDLE_SECONDS = 3600.0
"""Captions that nobody has written to for so long are a killed run's; other shards may be writing theirs."""


@dataclass(frozen=True)
class Order:
    """What is to be made."""

    out: Path
    split: str
    only: Collection[str] = ()
    """Names of nodes, or WHOLE; empty: all nodes and WHOLE."""
    shard: Shard = field(default_factory=Shard)
    most: int = 0
    """Reports that are drawn of the split; 0: all."""
    scoring: Scoring = field(default_factory=lambda: Scoring(VocabularyEmbedder(), LONG, MEMORY))


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it."""

    reports: int
    written: tuple[str, ...]
    """Tables that were made now."""
    kept: tuple[str, ...]
    """Tables that were there, made of the same."""
    datasheet: Path


class Watcher(Protocol):
    """Is told how far the work is."""

    def stage(self, name: str, total: int | None) -> None:
        """A new stage begins, of so many steps; None where nobody knows."""
        ...

    def advance(self, steps: int) -> None: ...


def annotate(source: ReportSource, order: Order, watcher: Watcher) -> Made:
    """Write the annotation of one split, or a share of it. Tables of other reports than these are removed.

    Raises UserError for what cannot be read or is not known, StorageFull before anything large is written.
    """
    nodes = chosen_nodes(source.modality, order.only)
    layout = Layout(order.out, order.split)
    mentions, tables = _read(source, order, nodes, layout, watcher)
    for name in {node.name for node in nodes} - set(tables):
        remove_table(name, layout)
    mine = order.shard.share({name: len(table.ids) for name, table in tables.items()})
    written = tuple(name for name in mine if not is_made(tables[name], layout))
    for name in written:
        remove_table(name, layout)
    _check_room([tables[name] for name in written], layout)
    for name in mine:
        watcher.stage(name, len(tables[name].ids))
        if name in written:
            make_table(tables[name], layout, watcher.advance)
        else:
            watcher.advance(len(tables[name].ids))
    write_datasheet(layout, source, Facts(len(mentions.ids), mentions.unread, order.most))
    return Made(len(mentions.ids), written, tuple(name for name in mine if name not in written), layout.datasheet)


def _read(
    source: ReportSource, order: Order, nodes: Collection[AnatomyNode], layout: Layout, watcher: Watcher
) -> tuple[Mentions, Mapping[str, Table]]:
    """Read all reports and replace the captions, after what does not belong to the new ones has been removed."""
    watcher.stage("reading reports", None)

    def counted(report: SourceReport) -> SourceReport:
        watcher.advance(1)
        return report

    reports = draw(source.reports(order.split), order.most)
    remove_parts(layout.captions, _IDLE_SECONDS)
    with beside(layout.captions) as part:
        mentions = read_mentions(map(counted, reports), tuple(nodes), part)
        if not mentions.ids:
            raise UserError(f"--split: {source.name} has no report in {order.split!r}")
        captions = digest_of(part)
        tables = _tables(mentions, nodes, source, order, captions)
        if digest_of(layout.captions) != captions:
            layout.datasheet.unlink(missing_ok=True)
            remove_others(tables, layout, captions)
    for table in tables.values():
        adopt_table(table, layout)
    return mentions, tables


def _tables(
    mentions: Mentions, nodes: Collection[AnatomyNode], source: ReportSource, order: Order, captions: str
) -> Mapping[str, Table]:
    """Nodes that no report mentions have no files; the data sheet shows them with "-"."""
    named: dict[str, tuple[str, ...]] = {node.name: node.keys for node in nodes}
    if not order.only or WHOLE in order.only:
        named[WHOLE] = ()
    tables = {
        name: Table(
            name, keys, source.modality, order.scoring, captions, *mentions.table(name), _twins(name, keys, nodes)
        )
        for name, keys in named.items()
    }
    return {name: table for name, table in tables.items() if table.ids}


def _twins(name: str, keys: tuple[str, ...], nodes: Collection[AnatomyNode]) -> tuple[str, ...]:
    return tuple(node.name for node in nodes if node.keys == keys and node.name != name)


def _check_room(tables: Collection[Table], layout: Layout) -> None:
    needed = sum({table.keys: table.bytes for table in tables}.values())
    free = shutil.disk_usage(layout.out).free
    if needed > free:
        raise StorageFull(
            f"{layout.out} has {free / 1e9:.1f} GB left, these tables take {needed / 1e9:.1f} GB; "
            "fewer reports (--most), fewer anatomies (--only) or a share (--shard) take less"
        )
