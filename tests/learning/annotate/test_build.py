"""An annotation on disk: what training reads, made once, in shares, and never half."""

import csv
import json
import os
import time
from dataclasses import replace

import numpy as np
import pytest

from radir_node.domain.study import Modality
from radir_node.errors import StorageFull, UserError
from radir_node.learning.annotate import build, tables
from radir_node.learning.annotate.build import Order, annotate
from radir_node.learning.annotate.layout import Layout, beside, digest_of
from radir_node.learning.annotate.nodes import WHOLE, load_nodes
from radir_node.learning.annotate.shards import Shard
from radir_node.learning.annotate.sources.ct_rate import CtRate
from radir_node.learning.annotate.sources.mimic_cxr import MimicCxr
from radir_node.learning.annotate.sources.report_file import ReportFile
from radir_node.reports.parser import PARSER_VERSION, parse
from radir_node.reports.similarity.embedder import VocabularyEmbedder
from radir_node.reports.similarity.entities import entities_of
from radir_node.reports.similarity.matches import score_pair
from radir_node.reports.similarity.weights import SHORT


def ids_of(layout, node):
    with layout.ids(node).open(newline="") as handle:
        return list(csv.reader(handle))


def test_files_are_as_training_reads_them(report_file, tmp_path, watcher):
    """Captions, a list of studies and a matrix a node, and one of whole reports (method spec 4.4)."""
    made = annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path / "out", "train"), watcher)

    captions = [json.loads(line) for line in (tmp_path / "out" / "train.jsonl").read_text().splitlines()]
    assert [{"img_path", "text", "name"}] * 6 == [set(caption) for caption in captions]
    assert list("abcdef") == [caption["name"] for caption in captions]
    assert captions[4]["text"].startswith("Consolidation")
    layout = Layout(tmp_path / "out", "train")
    assert [["File Path"], ["a"], ["b"], ["c"], ["d"], ["f"]] == ids_of(layout, "pleura")
    pleura = np.load(tmp_path / "out" / "train_ratescore" / "pleura.npy")
    assert ((5, 5), np.dtype("<f4")) == (pleura.shape, pleura.dtype)
    assert (6, 6) == np.load(tmp_path / "out" / "train.npy").shape
    assert 6 == made.reports
    assert WHOLE in made.written


def test_matrices_are_full_symmetric_and_1_on_the_diagonal(report_file, tmp_path, watcher):
    """Each is what the pairs of its reports score, and 1 for a study with itself."""
    annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train"), watcher)
    layout = Layout(tmp_path, "train")
    texts = {row["name"]: row["text"] for row in map(json.loads, layout.captions.read_text().splitlines())}

    for node in load_nodes(Modality.CXR):
        if layout.matrix(node.name).is_file():
            matrix, ids = np.load(layout.matrix(node.name)), [row[0] for row in ids_of(layout, node.name)[1:]]
            np.testing.assert_array_equal(1.0, np.diag(matrix))
            np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
            said = [entities_of(parse(texts[name]), node.keys) for name in ids]
            expected = [[score_pair(a, b, VocabularyEmbedder()).score for b in said] for a in said]
            np.testing.assert_allclose(matrix[~np.eye(len(ids), dtype=bool)].ravel(), off_diagonal(expected), atol=1e-5)


def off_diagonal(matrix):
    whole = np.array(matrix, dtype=float)
    return whole[~np.eye(len(whole), dtype=bool)].ravel()


def test_similar_reports_are_more_similar(report_file, tmp_path, watcher):
    """The order people expect: equal findings, the other side, the contrary."""
    annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train"), watcher)
    layout = Layout(tmp_path, "train")

    pleura, lungs = np.load(layout.matrix("pleura")), np.load(layout.matrix("lungs"))
    right = np.load(layout.matrix("right pleura"))

    a, b, c, _, f = range(5)
    assert 1.0 == pytest.approx(pleura[a, b])
    assert pleura[a, b] > pleura[a, f] > pleura[a, c]
    assert [["File Path"], ["a"], ["b"], ["f"]] == ids_of(layout, "right pleura")
    assert 1.0 == pytest.approx(right.min())
    assert lungs[0, 1] < 0.75  # left against right lower lobe


def test_the_id_column_is_the_one_the_released_loaders_read(mimic, ct_rate, tmp_path, watcher):
    """File Path, for radiographs and for CT."""
    annotate(MimicCxr(mimic), Order(tmp_path, "train", only=("pleura",)), watcher)
    annotate(CtRate(ct_rate), Order(tmp_path, "validation", only=("bronchie", "pleura")), watcher)

    assert [["File Path"], ["/p14/p14789176/s51143872"]] == ids_of(Layout(tmp_path, "train"), "pleura")[:2]
    assert [["File Path"], ["valid_692_a_1.nii.gz"]] == ids_of(Layout(tmp_path, "validation"), "pleura")
    assert not Layout(tmp_path, "train").matrix(WHOLE).exists()


def test_what_is_made_is_not_made_again(report_file, tmp_path, watcher):
    """The second run writes no table; other weights, another report or a lost file make what they touch anew."""
    source, order, layout = ReportFile(report_file, Modality.CXR), Order(tmp_path, "train"), Layout(tmp_path, "train")
    first = annotate(source, order, watcher)
    before = layout.matrix("heart").stat().st_mtime_ns

    again = annotate(source, order, watcher)
    layout.matrix("heart").unlink()
    after_loss = annotate(source, order, watcher)
    short = annotate(source, replace(order, scoring=replace(order.scoring, weights=SHORT)), watcher)

    assert ((), set(first.written)) == (again.written, set(again.kept))
    assert ("heart",) == after_loss.written
    assert before != layout.matrix("heart").stat().st_mtime_ns
    assert set(first.written) == set(short.written)


def test_another_report_makes_only_its_own_tables_anew(report_file, tmp_path, watcher):
    """Tables that no word of it touches are kept, and one that nobody mentions any more is gone."""
    order, layout = Order(tmp_path / "out", "train"), Layout(tmp_path / "out", "train")
    annotate(ReportFile(report_file, Modality.CXR), order, watcher)
    text = report_file.read_text().replace("left lower lobe", "right upper lobe")
    report_file.write_text(text)

    made = annotate(ReportFile(report_file, Modality.CXR), order, watcher)

    assert {"heart", "pleura"} <= set(made.kept)
    assert {"right upper lobe", "lungs", WHOLE} <= set(made.written)
    assert not layout.matrix("left lower lobe").exists()
    assert not layout.manifest("left lower lobe").exists()


def test_captions_and_tables_belong_together(report_file, tmp_path, watcher):
    """Every manifest that is there names the captions that are there, also of tables that were kept."""
    order, layout = Order(tmp_path / "out", "train"), Layout(tmp_path / "out", "train")
    annotate(ReportFile(report_file, Modality.CXR), order, watcher)
    report_file.write_text(report_file.read_text().replace("left lower lobe", "right upper lobe"))

    annotate(ReportFile(report_file, Modality.CXR), order, watcher)

    manifests = [json.loads(file.read_text()) for file in (tmp_path / "out" / "train_manifest").iterdir()]
    assert len(manifests) > 10
    assert {digest_of(layout.captions)} == {manifest["captions"] for manifest in manifests}


@pytest.mark.parametrize("share", [{"only": ("heart",)}, {"shard": Shard(2, 9)}])
def test_a_part_of_a_run_leaves_no_table_of_other_reports(report_file, tmp_path, watcher, share):
    """Of other reports only one node or share is made: nothing that was made of the first ones is there any more."""
    order, layout = Order(tmp_path / "out", "train"), Layout(tmp_path / "out", "train")
    annotate(ReportFile(report_file, Modality.CXR), order, watcher)
    report_file.write_text('{"id": "x", "text": "The heart is enlarged."}\n{"id": "y", "text": "Normal heart."}\n')

    made = annotate(ReportFile(report_file, Modality.CXR), replace(order, **share), watcher)

    for folder, kind in (("entity", "csv"), ("ratescore", "npy"), ("neighbours", "parquet"), ("manifest", "json")):
        names = {file.stem for file in (tmp_path / "out" / f"train_{folder}").iterdir() if file.suffix == f".{kind}"}
        assert set(made.written) - {WHOLE} == names - {WHOLE}
    assert layout.matrix(WHOLE).exists() is (WHOLE in made.written)
    assert f"Tables made so far: {len(made.written)}." in made.datasheet.read_text()


def test_a_run_that_ends_early_leaves_no_table_of_other_reports(report_file, tmp_path, watcher, monkeypatch):
    """Out of disk, or stopped, right after the captions were replaced."""
    order, layout = Order(tmp_path / "out", "train"), Layout(tmp_path / "out", "train")
    annotate(ReportFile(report_file, Modality.CXR), order, watcher)
    report_file.write_text('{"id": "x", "text": "The heart is enlarged."}\n{"id": "y", "text": "Normal heart."}\n')
    monkeypatch.setattr(build.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 3}))

    with pytest.raises(StorageFull):
        annotate(ReportFile(report_file, Modality.CXR), order, watcher)

    assert [layout.captions] == [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


def test_a_failed_reading_leaves_everything_as_it_was(report_file, tmp_path, watcher):
    """Captions and tables are those of before where a row cannot be read."""
    order = Order(tmp_path / "out", "train")
    annotate(ReportFile(report_file, Modality.CXR), order, watcher)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    report_file.write_text(report_file.read_text().replace("left", "right") + "no JSON\n")

    with pytest.raises(UserError, match="not JSON"):
        annotate(ReportFile(report_file, Modality.CXR), order, watcher)

    assert before == {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_captions_that_were_lost_bring_nothing_else_down(report_file, tmp_path, watcher):
    """The same reports write them anew, and the tables still belong to them."""
    order, layout = Order(tmp_path / "out", "train"), Layout(tmp_path / "out", "train")
    first = annotate(ReportFile(report_file, Modality.CXR), order, watcher)
    layout.captions.unlink()

    again = annotate(ReportFile(report_file, Modality.CXR), order, watcher)

    assert set(first.written) == set(again.kept)


def test_what_killed_runs_left_is_removed(report_file, tmp_path, watcher):
    """Half tables of this share before they are made anew; half captions only if nobody is writing them."""
    layout = Layout(tmp_path, "train")
    half = [
        path.with_name(f".{path.name}.{name}.part")
        for path in (layout.matrix("heart"), layout.neighbours("heart"), layout.captions)
        for name in ("4711", "e5f1")
    ]
    for part in half:
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(half[-1], (long_ago, long_ago))

    annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train", only=("heart",)), watcher)

    assert [half[-2]] == list(tmp_path.rglob("*.part"))


def test_two_processes_may_write_one_path(tmp_path):
    """In containers they may have the same process number: the last one to end wins, neither fails."""
    path = tmp_path / "train.jsonl"

    with beside(path) as one, beside(path) as two:
        assert one != two
        one.write_text("one")
        two.write_text("two")

    assert "one" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


def test_an_error_without_a_reason_of_the_system_is_told_all_the_same(tmp_path):
    """As numpy raises it where a disk is full."""
    with pytest.raises(StorageFull, match="9 requested and 4 written"), beside(tmp_path / "m.npy"):
        raise OSError("9 requested and 4 written")


def test_nodes_of_one_structure_share_their_bytes(report_file, tmp_path, watcher):
    """Lungs, lung parenchyma and airspace are one structure here: the matrix lies on the disk once."""
    annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train"), watcher)
    layout = Layout(tmp_path, "train")

    assert 1 == len({layout.matrix(name).stat().st_ino for name in ("lungs", "lung parenchyma", "airspace")})
    assert ids_of(layout, "lungs") == ids_of(layout, "airspace")


def test_shares_are_the_whole(report_file, tmp_path, watcher):
    """Three shares make the same files as one run, each table once, and the last leaves the whole data sheet."""
    source = ReportFile(report_file, Modality.CXR)
    annotate(source, Order(tmp_path / "one", "train"), watcher)

    made = [
        annotate(source, Order(tmp_path / "three", "train", shard=Shard(number, 3)), watcher) for number in (3, 1, 2)
    ]

    assert [] == [table for shard in made for table in shard.kept]
    files = {
        folder: {
            path.relative_to(tmp_path / folder): path.read_bytes()
            for path in (tmp_path / folder).rglob("*")
            if path.is_file()
        }
        for folder in ("one", "three")
    }
    assert files["one"] == files["three"]


def test_shares_weigh_the_same():
    """The work goes with the square of the size; every table is in exactly one share."""
    sizes = {f"node {number}": number * 10 for number in range(1, 60)}

    shares = [Shard(number, 4).share(sizes) for number in range(1, 5)]

    loads = [sum(sizes[name] ** 2 for name in share) for share in shares]
    assert sorted(sizes) == sorted(name for share in shares for name in share)
    assert max(loads) < 1.02 * min(loads)


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "a/b", "-1/2", "1/2/3"])
def test_what_is_no_share_is_refused(text):
    """I/N, with I from 1 to N."""
    with pytest.raises(UserError, match="--shard"):
        Shard.parse(text)


def test_an_interrupted_run_leaves_nothing_half(report_file, tmp_path, watcher, monkeypatch):
    """What fails while a table is written leaves neither a file of that name nor a side file; the next run goes on."""
    source, order, layout = ReportFile(report_file, Modality.CXR), Order(tmp_path / "out", "train"), None

    def fails(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tables.Distribution, "add", fails)
        with pytest.raises(KeyboardInterrupt):
            annotate(source, order, watcher)
    layout = Layout(tmp_path / "out", "train")

    assert [] == [path.name for path in (tmp_path / "out").rglob("*.part")]
    assert [] == list((tmp_path / "out").rglob("*.npy"))
    made = annotate(source, order, watcher)
    assert () == made.kept
    assert layout.matrix(WHOLE).is_file()


def test_a_full_disk_is_told_before_anything_large_is_written(report_file, tmp_path, watcher, monkeypatch):
    """The size of all tables is known from the reports."""
    usage = type("Usage", (), {"free": 3})
    monkeypatch.setattr(build.shutil, "disk_usage", lambda path: usage)

    with pytest.raises(StorageFull, match="GB left, these tables take"):
        annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path / "out", "train"), watcher)

    assert [] == list((tmp_path / "out").rglob("*.npy"))


def test_a_folder_that_cannot_be_written_is_named(report_file, tmp_path, watcher):
    """A file where the folder should be."""
    (tmp_path / "out").write_text("")

    with pytest.raises(StorageFull, match="cannot write"):
        annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path / "out", "train"), watcher)


def test_an_id_that_comes_twice_is_named(tmp_path, write_csv, watcher):
    """Two rows of one id would be two studies of one name."""
    file = write_csv(tmp_path / "reports.csv", ("id", "text"), [("1", "Effusion."), ("2", "x"), ("1", "y")])

    with pytest.raises(UserError, match=r"reports\.csv, row 4: the id of an earlier row"):
        annotate(ReportFile(file, Modality.CXR), Order(tmp_path / "out", "train"), watcher)


@pytest.mark.parametrize("split", ["", "a/b", "..", "a b"])
def test_a_split_is_a_plain_word(report_file, tmp_path, watcher, split):
    """It becomes part of file names."""
    with pytest.raises(UserError, match="--split"):
        annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, split), watcher)


def test_a_split_without_reports_is_refused(tmp_path, write_csv, watcher):
    """An empty table is no annotation."""
    file = write_csv(tmp_path / "reports.csv", ("id", "text"), [])

    with pytest.raises(UserError, match=r"reports\.csv has no report in 'train'"):
        annotate(ReportFile(file, Modality.CXR), Order(tmp_path / "out", "train"), watcher)


def test_so_many_reports_are_drawn_by_their_ids(report_file, tmp_path, watcher):
    """The same ones each time, in their order; more than there are is all."""
    source = ReportFile(report_file, Modality.CXR)

    few = [annotate(source, Order(tmp_path / str(run), "train", most=3), watcher) for run in range(2)]
    annotate(source, Order(tmp_path / "all", "train", most=99), watcher)

    names = [
        [json.loads(line)["name"] for line in Layout(tmp_path / run, "train").captions.read_text().splitlines()]
        for run in ("0", "1", "all")
    ]
    assert [3, 3] == [made.reports for made in few]
    assert names[0] == names[1] == sorted(names[0])
    assert list("abcdef") == names[2]


def test_the_data_sheet_says_what_is_there_and_what_is_not(report_file, tmp_path, watcher):
    """Counts beside the published ones, similarities, method, and the nodes that we have nothing for."""
    made = annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train"), watcher)

    text = made.datasheet.read_text()

    row = next(line for line in text.splitlines() if line.startswith("| pleura |"))
    assert ["pleura", "pleura", "5", "47,262", "4"] == [cell.strip() for cell in row.split("|")[1:6]]
    assert f"parser {PARSER_VERSION}, embedder vocabulary-1, weights long" in text
    assert "`nasogastric` (9,578 published):" in text
    assert "| kidneys | kidney | - | 223 |" in text
    assert 98 == sum(line.startswith("| ") for line in text.splitlines()) - 3  # head, rule, whole report


def test_progress_is_told(report_file, tmp_path, watcher):
    """Reports while they are read, then each table with its rows."""
    annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train", only=("heart", WHOLE)), watcher)

    assert [("reading reports", None), (WHOLE, 6), ("heart", 3)] == watcher.stages
    assert [6, 6, 3] == watcher.steps


def test_the_parquet_table_is_left_out_without_pyarrow(report_file, tmp_path, watcher, monkeypatch):
    """The extra is not needed for what training reads."""
    monkeypatch.setattr(tables, "can_write", lambda: False)

    annotate(ReportFile(report_file, Modality.CXR), Order(tmp_path, "train", only=("heart",)), watcher)

    layout = Layout(tmp_path, "train")
    assert layout.matrix("heart").is_file()
    assert not layout.neighbours("heart").exists()
    assert os.listdir(tmp_path / "train_manifest") == ["heart.json"]  # noqa: PTH208  # names alone
