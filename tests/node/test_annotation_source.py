"""The node's own archive as a source of annotation, over a real catalogue."""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from radir_node.catalog import annotation
from radir_node.catalog.annotation import ReportedStudies
from radir_node.catalog.tables import report as report_table
from radir_node.cli import app
from radir_node.domain.embedding import GLOBAL, Encoded
from radir_node.domain.indexing import Outcome
from radir_node.domain.report import ReportText
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader, Modality, StudyState
from radir_node.errors import UserError
from radir_node.learning.annotate.build import Made, Order, annotate
from radir_node.learning.annotate.layout import Layout
from radir_node.learning.annotate.nodes import WHOLE, load_nodes
from radir_node.learning.annotate.sources.report_file import ReportFile
from radir_node.node.annotation_source import SPLITS, ArchiveSource, split_of
from radir_node.node.node import Node
from radir_node.reports.dates import DateOrder
from radir_node.reports.display import SiteRules, shown_sentences
from radir_node.reports.identifiers import Identifier
from radir_node.reports.parser import parse, parse_report
from radir_node.settings import Settings

REPORT = (
    "INDICATION: Mrs. Canary is 93 years old.\n\nFINDINGS: Right pleural effusion, seen by Dr. Quack on 2024-01-31. "
    "CANARY has no pneumothorax.\n\nIMPRESSION: Effusion. Findings were discussed with the referring physician."
)

Index = Callable[..., None]


@pytest.fixture
def node(database_url: str, tmp_path: Path) -> Iterator[Node]:
    """A node over a catalogue of this test alone."""
    settings = Settings.model_validate(
        {
            "database": {"url": database_url},
            "storage": {"root": tmp_path / "root"},
            "dicom": {"quiet_seconds_radiograph": 0, "quiet_seconds_ct": 0},
        }
    )
    with Node(settings) as opened:
        yield opened


@pytest.fixture
def index(node: Node) -> Index:
    """Index radiograph number n, counted from 1, with REPORT or others; empty ones are none."""
    model = node.models[Modality.CXR]

    def add(number: int, *reports: str, patient: str = "") -> None:
        uid = f"1.{number}"
        header = InstanceHeader(
            f"{uid}.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.1.2.1", uid, f"{uid}.1",
            modality="DX", patient_id=patient or f"MRN{number}", patient_name="CANARY^ANNA",
        )  # fmt: skip
        node.intake.register(StoredInstance(header, f"{uid}.dcm", 1, uid, "AE", dt.datetime.now(dt.UTC)))
        node.completion.settle(number)
        work = node.studies.start(number)
        assert work is not None
        vector = np.eye(512, dtype=np.float32)[number]
        encoded = Encoded(header.sop_instance_uid, dict.fromkeys((GLOBAL, *model.anatomies), vector))
        said = [text for text in reports or (REPORT,) if text]
        texts = tuple((ReportText(f"{uid}.9.{n}", text), parse_report(text)) for n, text in enumerate(said))
        assert node.studies.finish(work, Outcome(StudyState.INDEXED, "", Modality.CXR, model, (encoded,), texts))

    return add


@pytest.fixture
def source(node: Node) -> ArchiveSource:
    """The archive, whose few patients would all be rare."""
    return ArchiveSource(node.cases, ReportedStudies(node.database), Modality.CXR, node.site_rules, fewest_patients=1)


class Nobody:
    def stage(self, name: str, total: int | None) -> None: ...

    def advance(self, steps: int) -> None: ...


def every(source: ArchiveSource) -> list[tuple[str, str, str]]:
    return [(report.id, report.split, report.text) for split in SPLITS for report in source.reports(split)]


def test_reports_go_out_without_identifiers(node: Node, index: Index, source: ArchiveSource) -> None:
    """Case ids for names; no patient, no physician, no date, no age of 93, no UID, no sentence about people."""
    index(1)

    ((name, _, text),) = every(source)

    case = node.cases.by_uid("1.1")
    assert case is not None
    assert case.case_id == name
    assert "Right pleural effusion" in text
    assert "no pneumothorax" in text
    shown = text.lower()  # the pseudonym is made of hexadecimal digits, which may be a 93
    assert [] == [
        word for word in ("canary", "anna", "quack", "2024", "93", "mrn1", "1.1", "discussed") if word in shown
    ]


def test_studies_without_report_and_of_the_other_modality_are_left_out(index: Index, source: ArchiveSource) -> None:
    """What cannot be compared is no study of the annotation."""
    index(1, "")
    index(2)

    assert 1 == len(every(source))
    assert [] == every(ArchiveSource(source.cases, source.studies, Modality.CT))


def test_pages_give_each_study_once(index: Index, source: ArchiveSource, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages there are, in the order of arrival."""
    for number in range(1, 6):
        index(number)
    whole = every(source)

    monkeypatch.setattr(annotation, "PAGE", 2)

    assert 5 == len({name for name, _, _ in whole})
    assert whole == every(source)


def test_a_patient_is_in_one_split(index: Index, source: ArchiveSource) -> None:
    """All studies of a patient are for training, or none."""
    for number in range(1, 5):
        index(number, patient="SAME")

    assert 1 == len({split for _, split, _ in every(source)})


def test_splits_have_their_shares_and_never_move() -> None:
    """80, 10 and 10 of a hundred patients; these were written down when the rule was made."""
    parts = [split_of(code) for code in range(4000)]

    assert {name: pytest.approx(share / 100, abs=0.02) for name, share in SPLITS.items()} == {
        name: parts.count(name) / len(parts) for name in SPLITS
    }
    assert ["train", "test", "test", "test", "train"] == [split_of(code) for code in range(5)]


def test_another_split_is_refused(source: ArchiveSource) -> None:
    """The archive has three."""
    with pytest.raises(UserError, match="no split 'dev'; it has train, validation, test"):
        list(source.reports("dev"))


def test_the_archive_is_annotated(index: Index, source: ArchiveSource, tmp_path: Path) -> None:
    """From the catalogue to matrices."""
    for number in range(1, 4):
        index(number, patient="SAME")
    split = every(source)[0][1]

    annotate(source, Order(tmp_path / "out", split), Nobody())

    names = [json.loads(line)["name"] for line in (tmp_path / "out" / f"{split}.jsonl").read_text().splitlines()]
    assert [name for name, _, _ in every(source)] == names
    np.testing.assert_allclose(np.ones((3, 3)), np.load(tmp_path / "out" / f"{split}_ratescore" / "pleura.npy"))


def annotated(source: ArchiveSource | ReportFile, out: Path, split: str) -> Made:
    return annotate(source, Order(out, split), Nobody())


def test_sentences_go_out_as_they_are_shown(node: Node, index: Index, source: ArchiveSource) -> None:
    """With the recognizer and the order of dates of the site, and nothing that no finding stands in."""

    class Finds:
        def recognize(self, sentence: str) -> Iterable[Identifier]:
            at = sentence.find("Wintermute")
            return [Identifier(at, at + 10, "person")] if at >= 0 else []

    text = "Right pleural effusion since 3/4/2019, as Wintermute saw. Wintermute was here. Portable film, bed 14."
    index(1, text)
    case = node.cases.by_uid("1.1")
    assert case is not None
    site = SiteRules(DateOrder.DAY_FIRST, Finds())

    ((_, _, exported),) = every(replace(source, site=site))
    shown = shown_sentences(text, parse(text), identifiers=case.identifiers, study_date=case.study_date, site=site)

    assert "\n\n".join(shown) == exported
    assert "Wintermute" not in exported
    assert "Right pleural effusion" in exported
    assert "bed 14" not in exported


def test_the_date_order_of_the_site_holds(node: Node, index: Index, source: ArchiveSource) -> None:
    """A date that may be two is told where the site says which of them it is."""
    index(1, "Compared to 3/4/2019, the right pleural effusion is larger.")
    with node.database.begin() as connection:
        connection.execute(sa.text("UPDATE study SET study_date = '2019-06-04'"))

    told = [every(replace(source, site=SiteRules(order)))[0][2] for order in (None, *DateOrder)]

    assert 3 == len(set(told))


def test_what_one_report_tells_of_people_is_taken_out_of_all(node: Node, index: Index, source: ArchiveSource) -> None:
    """The message of the addendum names a physician whom the first report names too."""
    index(1, "Right pleural effusion, known to Wintermute.", "ADDENDUM: No pneumothorax.")
    with node.database.begin() as connection:
        last = sa.select(sa.func.max(report_table.c.id)).scalar_subquery()
        connection.execute(
            sa.update(report_table).where(report_table.c.id == last).values(identifiers=["WINTERMUTE^ADA"])
        )

    ((_, _, text),) = every(source)

    assert "effusion" in text
    assert "pneumothorax" in text
    assert "Wintermute" not in text


LONG_LINES = (
    "FINDINGS:\nThe cardiac silhouette is enlarged, which is without any change to the day before\n"
    "There is a small pleural effusion on the right that was seen before on another film\n"
    "1. Nodule in the left upper lobe\n2) no pneumothorax\n\nCompared with the day before. History of pneumonia.\n\n"
    "IMPRESSION:\n- Cardiomegaly\n- Lungs: clear"
)


def test_tables_are_those_of_whole_reports(node: Node, index: Index, source: ArchiveSource, tmp_path: Path) -> None:
    """Sentences without a finding are not written, and no matrix changes for it."""
    texts = [REPORT, LONG_LINES, "Clear lungs. No pneumothorax.", "Portable film.", f"{REPORT}\n\n{LONG_LINES}"]
    for number, text in enumerate(texts, 1):
        index(number, text, patient="SAME")
    names, splits, _ = zip(*every(source), strict=True)
    split = splits[0]
    file = tmp_path / "whole.jsonl"
    file.write_text("".join(json.dumps({"id": n, "text": t}) + "\n" for n, t in zip(names, texts, strict=True)))

    exported = annotated(source, tmp_path / "exported", split)
    whole = annotated(ReportFile(file, Modality.CXR), tmp_path / "whole", split)

    assert set(whole.written) == set(exported.written)
    for table in whole.written:
        ours, theirs = (Layout(tmp_path / folder, split) for folder in ("exported", "whole"))
        np.testing.assert_array_equal(np.load(theirs.matrix(table)), np.load(ours.matrix(table)))
        assert table == WHOLE or theirs.ids(table).read_text() == ours.ids(table).read_text()
    captions = (tmp_path / "exported" / f"{split}.jsonl").read_text()
    assert [] == [word for word in ("Compared", "Portable", "History", "INDICATION") if word in captions]


def test_what_fewer_than_five_patients_have_is_left_out(node: Node, index: Index) -> None:
    """A finding at a place; to deny it tells of nobody. Studies of one patient count once."""
    source = ArchiveSource(node.cases, ReportedStudies(node.database), Modality.CXR)
    assert 5 == source.fewest_patients
    for number in range(1, 6):
        index(number, "Right pleural effusion. No pneumothorax.")
    for number in range(6, 11):
        index(number, "Right pleural effusion. Pneumothorax.", patient="SAME")
    index(11, "Cardiomegaly with right pleural effusion. Right pleural effusion. No cardiomegaly.")

    texts = [text for _, _, text in sorted(every(source), key=lambda entry: len(entry[2]))]

    assert ["Right pleural effusion."] * 5 == texts[:5]
    assert ["Right pleural effusion.\n\nNo cardiomegaly."] == [text for text in texts if "cardiomegaly" in text.lower()]
    assert 5 == texts.count("Right pleural effusion.\n\nNo pneumothorax.")


def test_an_archive_of_twelve_patients(index: Index, node: Node, tmp_path: Path) -> None:
    """Twelve patients: matrices as large as their lists, rare findings in none, and a data sheet that says so."""
    source = ArchiveSource(node.cases, ReportedStudies(node.database), Modality.CXR, node.site_rules)
    for number in range(1, 13):
        index(number, REPORT if number < 12 else "Fracture of the left clavicle. Der Herzschatten ist normal breit.")
    index(13, "Das Herz ist nicht vergrößert, kein Erguss, die Lunge ist frei.")
    split = max(SPLITS, key=lambda name: len(list(source.reports(name))))

    made = annotated(source, tmp_path, split)

    layout = Layout(tmp_path, split)
    assert {"pleura", "right pleura", WHOLE} <= set(made.written)
    assert "clavicle" not in made.written
    for node_name in (entry.name for entry in load_nodes(Modality.CXR) if entry.name in made.written):
        size = len(layout.ids(node_name).read_text().splitlines()) - 1
        assert (size, size) == np.load(layout.matrix(node_name)).shape
    sheet = made.datasheet.read_text()
    assert "fewer than 5 patients of the archive have" in sheet
    exported = "".join(path.read_text() for path in tmp_path.rglob("*") if path.suffix in (".jsonl", ".csv", ".json"))
    assert [] == [word for word in ("CANARY", "ANNA", "Quack", "MRN", "ractur", "Herz") if word in exported]


def test_the_command_annotates_the_archive_by_the_rules_of_the_site(
    index: Index, node: Node, source: ArchiveSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`radir annotate archive`, from the configuration to captions, matrices and a page of pairs."""
    monkeypatch.setenv("RADIR_DATABASE__URL", node.settings.database.url)
    monkeypatch.setenv("RADIR_STORAGE__ROOT", str(node.root))
    monkeypatch.setenv("RADIR_REPORTS__DATE_ORDER", "dmy")
    for number in range(1, 11):
        kind = "Right pleural effusion" if number % 2 else "Left pneumothorax"
        index(number, f"Compared to 3/4/2019, {kind} is larger, number {number}. Tel. 555-0199.")
    with node.database.begin() as connection:
        connection.execute(sa.text("UPDATE study SET study_date = '2019-06-04'"))
        connection.execute(sa.text("UPDATE study SET patient_code = id % 5 + 1000 * (id % 2)"))
    split = max(SPLITS, key=lambda name: len(list(source.reports(name))))
    out = str(tmp_path / "out")

    done = CliRunner().invoke(app, ["annotate", "archive", "--out", out, "--split", split])
    page = CliRunner().invoke(
        app, ["annotate", "sample", "--in", out, "--split", split, "--page", str(tmp_path / "out" / "pairs.html")]
    )

    assert (0, 0) == (done.exit_code, page.exit_code)
    captions = [json.loads(line) for line in (tmp_path / "out" / f"{split}.jsonl").read_text().splitlines()]
    assert len(list(source.reports(split))) == len(captions)
    assert all("2 months earlier" in caption["text"] for caption in captions)
    assert all("555" not in caption["text"] for caption in captions)


def test_a_report_in_another_language_is_counted_and_not_written(index: Index, source: ArchiveSource) -> None:
    """Nothing of it has been read, so nothing of it may be shown."""
    index(1, "Das Herz ist nicht vergrößert, kein Erguss, die Lunge ist frei.")

    ((report,),) = [found for split in SPLITS if (found := list(source.reports(split)))]

    assert report.is_foreign
    assert "" == report.text
