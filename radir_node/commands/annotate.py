"""`radir annotate`: similarity annotation of reports as RadIR's training reads it, and a sample of it to judge."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from radir_node.commands.session import console, opened_node
from radir_node.domain.study import Modality
from radir_node.errors import UserError

if TYPE_CHECKING:
    from radir_node.learning.annotate.build import Order, Watcher
    from radir_node.learning.annotate.source import ReportSource

app = typer.Typer(help="Annotate reports with their similarity, overall and per anatomy.", no_args_is_help=True)

Folder = Annotated[Path, typer.Option("--in", help="Folder of the data set, as it was released.")]
Out = Annotated[Path, typer.Option(help="Folder to write to; tables of the same reports are kept, others removed.")]
Split = Annotated[str, typer.Option(help="Split of the data set.")]
ShardOption = Annotated[str, typer.Option("--shard", help="Make one share of the tables, e.g. 2/8.")]
Only = Annotated[
    list[str] | None, typer.Option(help='A node by its published name, or "whole report"; may be repeated.')
]
Most = Annotated[int, typer.Option(min=0, help="Draw so many reports of the split; 0: all.")]
WeightTable = Annotated[str, typer.Option("--weights", help="Weight table of RaTEScore: long or short.")]


@app.command("mimic-ir")
def mimic_ir(
    folder: Folder,
    out: Out,
    split: Split = "train",
    shard: ShardOption = "1/1",
    only: Only = None,
    most: Most = 0,
    weights: WeightTable = "long",
) -> None:
    """Annotate MIMIC-CXR: 109 nodes. The folder holds files/ and mimic-cxr-2.0.0-split.csv."""
    from radir_node.learning.annotate.sources.mimic_cxr import MimicCxr

    _annotate(MimicCxr(folder), _order(out, split, shard, only, most, weights))


@app.command("ctrate-ir")
def ctrate_ir(
    folder: Folder,
    out: Out,
    split: Split = "train",
    shard: ShardOption = "1/1",
    only: Only = None,
    most: Most = 0,
    weights: WeightTable = "long",
) -> None:
    """Annotate CT-RATE: 48 nodes. The folder holds train_reports.csv and validation_reports.csv."""
    from radir_node.learning.annotate.sources.ct_rate import CtRate

    _annotate(CtRate(folder), _order(out, split, shard, only, most, weights))


@app.command("archive")
def archive(
    out: Out,
    file: Annotated[
        Path | None, typer.Option("--in", help="A .jsonl or .csv with id and text; without it: the node's own archive.")
    ] = None,
    nodes: Annotated[str, typer.Option(help="List of nodes, and modality of the archive: cxr or ct.")] = "cxr",
    split: Split = "train",
    shard: ShardOption = "1/1",
    only: Only = None,
    most: Most = 0,
    weights: WeightTable = "long",
) -> None:
    """Annotate the node's own archive, under pseudonyms and scrubbed, or any file of reports as it is."""
    order = _order(out, split, shard, only, most, weights)
    if file is not None:
        from radir_node.learning.annotate.sources.report_file import ReportFile

        _annotate(ReportFile(file, _modality(nodes)), order)
        return
    from radir_node.catalog.annotation import ReportedStudies
    from radir_node.node.annotation_source import ArchiveSource

    with opened_node() as node:
        studies = ReportedStudies(node.database)
        _annotate(ArchiveSource(node.cases, studies, _modality(nodes), node.site_rules), order)


@app.command("sample")
def sample(
    folder: Annotated[Path, typer.Option("--in", help="Folder that an annotation was written to.")],
    split: Split,
    page: Annotated[Path, typer.Option(help="HTML file to write.")],
    anatomy: Annotated[str, typer.Option(help="A node by its published name; without it: whole reports.")] = "",
    seed: Annotated[int, typer.Option(help="The same seed draws the same pairs.")] = 0,
) -> None:
    """Write a page of random pairs, 40 of high and 40 of low similarity, for a radiologist to judge."""
    from radir_node.learning.annotate.layout import Layout
    from radir_node.learning.annotate.nodes import WHOLE
    from radir_node.learning.annotate.page import write_page
    from radir_node.learning.annotate.sample import draw_sample

    drawn = draw_sample(Layout(folder, split), anatomy or WHOLE, seed)
    write_page(drawn, page)
    console.print(f"written: {page} ({len(drawn.pairs)} pairs; the page holds report texts)")


def _order(out: Path, split: str, shard: str, only: list[str] | None, most: int, weights: str) -> "Order":
    from radir_node.learning.annotate.build import Order
    from radir_node.learning.annotate.shards import Shard
    from radir_node.learning.annotate.tables import Scoring
    from radir_node.reports.similarity.embedder import VocabularyEmbedder
    from radir_node.reports.similarity.rate_score import MEMORY
    from radir_node.reports.similarity.weights import WEIGHTS

    if weights not in WEIGHTS:
        raise UserError(f"--weights: {weights!r} is none of {', '.join(WEIGHTS)}")
    scoring = Scoring(VocabularyEmbedder(), WEIGHTS[weights], MEMORY)
    return Order(out, split, tuple(only or ()), Shard.parse(shard), most, scoring)


def _annotate(source: "ReportSource", order: "Order") -> None:
    from radir_node.learning.annotate.build import annotate

    with _progress() as watcher:
        made = annotate(source, order, watcher)
    console.print(f"{made.reports} reports, {len(made.written)} tables written, {len(made.kept)} were there")
    console.print(f"data sheet: {made.datasheet}")


@contextmanager
def _progress() -> Iterator["Watcher"]:
    """Show a bar per stage on the terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>36}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        class Bar:
            def stage(self, name: str, total: int | None) -> None:
                progress.reset(task, total=total, description=name)

            def advance(self, steps: int) -> None:
                progress.advance(task, steps)

        yield Bar()


def _modality(text: str) -> Modality:
    try:
        return Modality(text.upper())
    except ValueError:
        raise UserError(f"--nodes: {text!r} is neither cxr nor ct") from None
