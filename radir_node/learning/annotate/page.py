"""The sample as one HTML file that needs nothing else: no server, no network, no second file."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from radir_node.learning.annotate.layout import beside
from radir_node.learning.annotate.sample import Sample
from radir_node.learning.annotate.statistics import MIDDLE, POSITIVE
from radir_node.reports.similarity.entities import EntityType

_TEMPLATES = Path(__file__).resolve().parent / "templates"
_KINDS = {
    EntityType.ABNORMALITY: "finding",
    EntityType.ANATOMY: "place",
    EntityType.DISEASE: "disease",
    EntityType.NON_ABNORMALITY: "no finding",
    EntityType.NON_DISEASE: "no disease",
}


def write_page(sample: Sample, page: Path) -> None:
    """Write the page. It holds report texts. Raises StorageFull."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = _KINDS.__getitem__
    counts = {kind: sum(pair.kind == kind for pair in sample.pairs) for kind in ("high", "low")}
    text = environment.get_template("sample.html").render(sample=sample, counts=counts, above=POSITIVE, below=MIDDLE)
    with beside(page) as part:
        part.write_text(text, encoding="utf-8")
