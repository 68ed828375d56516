"""The annotation of real reports: the development half of Open-i."""

import csv
import json

import numpy as np
import pytest

from radir_node.domain.study import Modality
from radir_node.learning.annotate.build import Order, annotate
from radir_node.learning.annotate.layout import Layout
from radir_node.learning.annotate.nodes import WHOLE, load_nodes
from radir_node.learning.annotate.sources.report_file import ReportFile
from radir_node.learning.relevance import chains_at, jaccard_matrix, with_prefixes
from radir_node.reports.evaluation.split import is_in

TOP = 10


@pytest.fixture(scope="module")
def openi(shared_data, tmp_path_factory) -> Layout:
    """All tables of the development reports."""
    folder = tmp_path_factory.mktemp("openi")
    file = folder / "dev.jsonl"
    with (shared_data / "openi" / "openi_reports.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if is_in("dev", "openi", row["uid"])]
    texts = {row["uid"]: f"FINDINGS:\n{row['findings']}\n\nIMPRESSION:\n{row['impression']}" for row in rows}
    file.write_text("".join(json.dumps({"id": uid, "text": text}) + "\n" for uid, text in texts.items()))

    class Nobody:
        def stage(self, name, total): ...

        def advance(self, steps): ...

    annotate(ReportFile(file, Modality.CXR), Order(folder / "out", "dev"), Nobody())
    return Layout(folder / "out", "dev")


def test_all_matrices_are_sound(openi):
    """Each node that reports mention: as large as its list, symmetric, 1 on the diagonal, in [0, 1]."""
    made = [node.name for node in load_nodes(Modality.CXR) if openi.manifest(node.name).is_file()]

    assert len(made) > 80
    for name in (WHOLE, *made):
        matrix = np.load(openi.matrix(name), mmap_mode="r")
        size = len(openi.ids(name).read_text(encoding="utf-8").splitlines()) - (name != WHOLE)
        assert (size, size) == matrix.shape
        np.testing.assert_array_equal(1.0, np.diag(matrix))
        np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
        assert 0.0 <= matrix.min()
        assert matrix.max() <= 1.0


def test_roll_up_is_visible_in_the_counts(openi):
    """A whole is mentioned in at least as many studies as its parts (method spec 4.1)."""
    counts = {
        node.name: json.loads(openi.manifest(node.name).read_text())["studies"]
        for node in load_nodes(Modality.CXR)
        if openi.manifest(node.name).is_file()
    }

    assert counts["thorax"] >= counts["lungs"] >= counts["right lung"] >= counts["right lower lobe"] > 10
    assert counts["mediastinum"] >= counts["heart"] > 1000
    assert counts["pleura"] >= counts["left pleura"] > 100


@pytest.mark.parametrize(("table", "site", "factor"), [(WHOLE, None, 8), ("lungs", "lung", 10), ("heart", "heart", 5)])
def test_similar_reports_share_what_human_indexers_saw(shared_data, openi, table, site, factor):
    """The ten most similar of an abnormal study share several times as many MeSH chains with it as any ten do."""
    chains: dict[str, set[str]] = {}
    with (shared_data / "openi" / "openi_mesh_gold.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            chains.setdefault(row["uid"], set()).add(row["coding"])
    with openi.captions.open() as captions:
        every = [json.loads(line)["name"] for line in captions]
    ids = every if table == WHOLE else openi.ids(table).read_text().split()[2:]
    coded = [row for row, uid in enumerate(ids) if "No Indexing" not in chains.get(ids[row], {"No Indexing"})]
    here = [chains[ids[row]] if site is None else chains_at(chains[ids[row]], site) for row in coded]
    relevance = jaccard_matrix(*[[with_prefixes(those) for those in here]] * 2)
    similarity = np.load(openi.matrix(table))[np.ix_(coded, coded)]
    np.fill_diagonal(relevance, 0.0)
    np.fill_diagonal(similarity, -1.0)
    queries = [row for row, those in enumerate(here) if those and those != {"normal"}]

    found = np.mean([relevance[row][np.argsort(-similarity[row], kind="stable")[:TOP]].mean() for row in queries])
    by_chance = relevance[queries].sum() / (len(queries) * (len(coded) - 1))

    assert found > factor * by_chance
