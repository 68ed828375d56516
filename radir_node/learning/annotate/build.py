"""The whole of `radir annotate`: reports of a split to tables, as far as they are not there yet, and the data sheet."""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from radir_node.domain.study import Modality
from radir_node.errors import StorageFull, UserError
from radir_node.learning.annotate.datasheet import Facts, write_datasheet
from radir_node.learning.annotate.layout import Layout
from radir_node.learning.annotate.mentions import Mentions, draw, read_mentions
from radir_node.learning.annotate.nodes import WHOLE, AnatomyNode, chosen_nodes
from radir_node.learning.annotate.shards import Shard
from radir_node.learning.annotate.source import ReportSource, SourceReport
from radir_node.learning.annotate.tables import Scoring, Table, is_made, make_table, remove_table
from radir_node.reports.similarity.embedder import VocabularyEmbedder
from radir_node.reports.similarity.rate_score import MEMORY
from radir_node.reports.similarity.weights import LONG


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
    """Write the annotation of one split, or a share of it.

    Raises UserError for what cannot be read or is not known, StorageFull before anything large is written.
    """
    nodes = chosen_nodes(source.modality, order.only)
    layout = Layout(order.out, order.split)
    mentions = _read(source, order, nodes, layout, watcher)
    if not mentions.ids:
        raise UserError(f"--split: {source.name} has no report in {order.split!r}")
    tables = _tables(mentions, nodes, source.modality, with_whole=not order.only or WHOLE in order.only)
    mine = order.shard.share({name: len(table.ids) for name, table in tables.items()})
    for name in {node.name for node in nodes} - set(tables):
        remove_table(name, layout)
    _check_room([tables[name] for name in mine], layout, order.scoring)
    is_new: dict[str, bool] = {}
    for name in mine:
        watcher.stage(name, len(tables[name].ids))
        is_new[name] = make_table(tables[name], layout, order.scoring, watcher.advance)
    write_datasheet(layout, Facts(source.name, source.modality, len(mentions.ids), mentions.unread, order.most))
    written, kept = (tuple(name for name in mine if is_new[name] is new) for new in (True, False))
    return Made(len(mentions.ids), written, kept, layout.datasheet)


def _read(
    source: ReportSource, order: Order, nodes: Collection[AnatomyNode], layout: Layout, watcher: Watcher
) -> Mentions:
    watcher.stage("reading reports", None)

    def counted(report: SourceReport) -> SourceReport:
        watcher.advance(1)
        return report

    reports = draw(source.reports(order.split), order.most)
    return read_mentions(map(counted, reports), tuple(nodes), layout.captions)


def _tables(
    mentions: Mentions, nodes: Collection[AnatomyNode], modality: Modality, *, with_whole: bool
) -> Mapping[str, Table]:
    """Nodes that no report mentions have no files; the data sheet shows them with 0."""
    named = {node.name: node.keys for node in nodes} | ({WHOLE: ()} if with_whole else {})
    tables = {
        name: Table(name, keys, modality, *mentions.table(name), _twins(name, keys, nodes))
        for name, keys in named.items()
    }
    return {name: table for name, table in tables.items() if table.ids}


def _twins(name: str, keys: tuple[str, ...], nodes: Collection[AnatomyNode]) -> tuple[str, ...]:
    return tuple(node.name for node in nodes if node.keys == keys and node.name != name)


def _check_room(tables: Collection[Table], layout: Layout, scoring: Scoring) -> None:
    missing = {table.keys: table.bytes for table in tables if not is_made(table, layout, table.digest(scoring))}
    needed = sum(missing.values())
    free = shutil.disk_usage(layout.out).free
    if needed > free:
        raise StorageFull(
            f"{layout.out} has {free / 1e9:.1f} GB left, these tables take {needed / 1e9:.1f} GB; "
            "fewer reports (--most), fewer anatomies (--only) or a share (--shard) take less"
        )
