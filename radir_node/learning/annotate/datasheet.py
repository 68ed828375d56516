"""The data sheet of an annotation, in Markdown: what it holds beside the published counts, how it was made, its limits.

Written from the manifests of all tables that belong to the captions that are there, so that the last of several shards
leaves the whole picture.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from radir_node.learning.annotate.layout import ID_COLUMN, Layout, beside, digest_of
from radir_node.learning.annotate.neighbours import MOST, can_write
from radir_node.learning.annotate.nodes import WHOLE, AnatomyNode, load_nodes
from radir_node.learning.annotate.source import ReportSource
from radir_node.learning.annotate.statistics import quantile, shares
from radir_node.learning.annotate.tables import manifest_of
from radir_node.reports.parser import PARSER_VERSION

Manifest = Mapping[str, Any]

_COLUMNS = (
    *("table", "keys", "studies", "published", "distinct", "mean", "p10", "median", "p90"),
    *("> 0.9", "0.75-0.9", "0.5-0.75", "< 0.5"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the reports themselves."""

    reports: int
    unread: int
    """Reports in a language without lexicon."""
    most: int
    """Reports that were drawn; 0: all."""


def write_datasheet(layout: Layout, source: ReportSource, facts: Facts) -> None:
    """Write the data sheet of a split. Raises StorageFull."""
    with beside(layout.datasheet) as part:
        part.write_text("\n".join(_lines(layout, source, facts)) + "\n", encoding="utf-8")


def _lines(layout: Layout, source: ReportSource, facts: Facts) -> Iterator[str]:
    nodes, captions = load_nodes(source.modality), digest_of(layout.captions)
    manifests = {name: manifest_of(name, layout, captions) for name in (WHOLE, *(node.name for node in nodes))}
    made = {name: manifest for name, manifest in manifests.items() if manifest}
    yield from (f"# {source.name}, split {layout.split}: similarity of reports", "")
    yield from _how(layout, facts, made)
    yield from ("", "## Tables", "")
    yield from _table(nodes, made)
    yield from ("", "## Not covered", "")
    yield from _gaps(source, nodes)


def _how(layout: Layout, facts: Facts, made: Mapping[str, Manifest]) -> Iterator[str]:
    drawn = f", drawn by the hash of their id (--most {facts.most})" if facts.most else ""
    yield f"- Reports: {facts.reports:,}{drawn}; in a language that is not parsed: {facts.unread:,}."
    yield f"- Tables made so far: {len(made)}. Parser version {PARSER_VERSION}; " + _methods(made)
    yield "- Similarity: RaTEScore over the parser's tags, whose entities are findings with their place, and places."
    yield f"- `{layout.captions.name}`: img_path, text, name. `{layout.split}_entity/NODE.csv`: the studies, column"
    yield f"  {ID_COLUMN!r}. `{layout.split}_ratescore/NODE.npy`: float32, full, diagonal 1, rows as"
    yield f"  in the csv. `{layout.matrix(WHOLE).name}`: whole reports, rows as in the jsonl."
    yield f"- `{layout.split}_neighbours/NODE.parquet`: the {MOST} most similar studies of each, for people; " + (
        "written." if can_write() else "not written, because pyarrow is not installed."
    )


def _methods(made: Mapping[str, Manifest]) -> str:
    """Name every method that a table was made with, for a folder that was filled in several runs."""
    found = sorted({(m["parser"], m["embedder"], m["weights"]) for m in made.values()})
    said = (f"parser {parser}, embedder {embedder}, weights {weights}" for parser, embedder, weights in found)
    return "made with " + "; ".join(said) + "."


def _table(nodes: tuple[AnatomyNode, ...], made: Mapping[str, Manifest]) -> Iterator[str]:
    yield "Similarities are those of all pairs of different studies. Published: train studies that mention the node."
    yield ""
    yield _cells(*_COLUMNS)
    yield _cells("---", "---", *["---:"] * (len(_COLUMNS) - 2))
    if WHOLE in made:
        yield _row(WHOLE, "", "", made[WHOLE])
    for node in nodes:
        if node.keys:
            yield _row(node.name, ", ".join(node.keys), f"{node.studies:,}", made.get(node.name))


def _row(name: str, keys: str, published: str, manifest: Manifest | None) -> str:
    if manifest is None:
        return _cells(name, keys, "-", published, *[""] * 9)
    similarity = manifest["similarity"]
    figures = [""] * 8
    if similarity["pairs"]:
        middle = (f"{quantile(similarity, share):.2f}" for share in (0.1, 0.5, 0.9))
        figures = [f"{similarity['mean']:.3f}", *middle, *(f"{share:.1%}" for share in shares(similarity))]
    return _cells(name, keys, f"{manifest['studies']:,}", published, f"{manifest['distinct']:,}", *figures)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _gaps(source: ReportSource, nodes: tuple[AnatomyNode, ...]) -> Iterator[str]:
    for node in nodes:
        if not node.keys:
            yield f"- `{node.name}` ({node.studies:,} published): {node.reason}."
    yield '- A table shown with "-": not made yet, left out (--only), or no report of this split mentions the node.'
    yield "- Nodes of one key have equal tables: the vocabulary does not part lung, lung parenchyma and airspace."
    yield "- With the weights long, a finding and its denial are at 0.87, their places at 1: where reports say little"
    yield "  else (heart), normal and abnormal lie close. The order is kept, but a threshold of 0.9 does not part them."
    yield "- A node counts where a finding is stated, suspected or denied there; a structure that a report only names"
    yield "  (no finding about it) does not count, so counts are below the published ones for most nodes."
    yield "- Findings are equal or strangers: synonyms that the lexicon keeps apart are not brought together, unless an"
    yield "  embedder with weights takes the place of the built-in one. Size, severity, number and change do not count."
    yield '- History ("prior pneumonia") is left out. Reports in other languages than the lexicon\'s have no tags.'
    yield from (f"- {remark}" for remark in source.remarks)
