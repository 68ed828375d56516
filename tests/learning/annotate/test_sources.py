"""Reading the layouts of the collections: what comes out, and one clear line for what is wrong."""

import gzip
import shutil

import pytest

from radir_node.domain.study import Modality
from radir_node.errors import UserError
from radir_node.learning.annotate.source import spoken_text
from radir_node.learning.annotate.sources.ct_rate import CtRate
from radir_node.learning.annotate.sources.mimic_cxr import MimicCxr
from radir_node.learning.annotate.sources.report_file import ReportFile

SECRET = "SECRETWORD"


def test_mimic_has_study_level_ids(mimic):
    """Ids as published; one report a study, in the order of the split table, with its first image."""
    found = list(MimicCxr(mimic).reports("train"))

    assert ["/p14/p14789176/s51143872", "/p10/p10000001/s50000001"] == [report.id for report in found]
    assert "files/p14/p14789176/s51143872/dicom1.jpg" == found[0].image
    assert "right pleural effusion" in found[0].text
    assert ["/p10/p10000002/s50000002"] == [report.id for report in MimicCxr(mimic).reports("test")]


def test_mimic_takes_the_frontal_image_where_it_knows(mimic, write_csv):
    """The metadata table tells the view."""
    views = [("dicom1", "LATERAL"), ("dicom2", "AP")]
    write_csv(mimic / "mimic-cxr-2.0.0-metadata.csv", ("dicom_id", "ViewPosition"), views)

    assert next(MimicCxr(mimic).reports("train")).image.endswith("/dicom2.jpg")


def test_mimic_is_read_as_it_is_released(mimic):
    """The table may be gzipped."""
    table = mimic / "mimic-cxr-2.0.0-split.csv"
    with table.open("rb") as plain, gzip.open(f"{table}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    table.unlink()

    assert 2 == len(list(MimicCxr(mimic).reports("train")))


def test_ct_rate_has_one_volume_a_scan(ct_rate):
    """The first reconstruction stands for its scan; findings and impression are its text."""
    found = list(CtRate(ct_rate).reports("train"))

    assert ["train_1_a_1.nii.gz", "train_2_b_1.nii.gz"] == [report.id for report in found]
    assert "train/train_1/train_1_a/train_1_a_1.nii.gz" == found[0].image
    assert "Nodule in the right upper lobe." in found[0].text
    assert "Cough" not in found[0].text
    assert ["valid_692_a_1.nii.gz"] == [report.id for report in CtRate(ct_rate).reports("validation")]


def test_a_file_may_have_splits_and_images(tmp_path, write_csv):
    """Columns split and image are read where they are there; without a split, all is in the one that is asked for."""
    with_splits = write_csv(
        tmp_path / "a.csv", ("id", "text", "split", "image"), [("1", "x", "train", "1.png"), ("2", "y", "test", "")]
    )
    without = write_csv(tmp_path / "b.csv", ("id", "text"), [("1", "x"), ("2", "y")])

    assert [("1", "1.png")] == [(r.id, r.image) for r in ReportFile(with_splits, Modality.CXR).reports("train")]
    assert ["1", "2"] == [report.id for report in ReportFile(without, Modality.CXR).reports("anything")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,report\n1,SECRETWORD\n", r"no column text"),
        ("id,text\n1,SECRETWORD\n2\n", r"row 3: not as many cells"),
        ('id,text\n1,"SECRETWORD\n', r"after row 1: not a valid CSV"),
        ("id,text\n,SECRETWORD\n", r"row 2: the id is empty"),
        ("id,text,split\n1,SECRETWORD,test\n", r"has no split 'train'; it has test"),
    ],
)
def test_a_bad_table_is_one_line_without_text(tmp_path, content, message):
    """File and row are named; nothing of a report is."""
    file = tmp_path / "reports.csv"
    file.write_text(content)

    with pytest.raises(UserError, match=message) as raised:
        list(ReportFile(file, Modality.CXR).reports("train"))

    assert "reports.csv" in str(raised.value)
    assert SECRET not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "1", "text": "SECRETWORD"', "row 2: not JSON"),
        ('["SECRETWORD"]', "row 2: not an object"),
        ('{"id": 1, "text": "SECRETWORD"}', "row 2: not an object"),
        ('{"id": "1", "report": "SECRETWORD"}', "row 2: no text"),
    ],
)
def test_a_bad_line_is_named_without_its_text(tmp_path, line, message):
    """The same for lines of JSON."""
    file = tmp_path / "reports.jsonl"
    file.write_text(f'{{"id": "0", "text": "fine"}}\n{line}\n')

    with pytest.raises(UserError, match=message) as raised:
        list(ReportFile(file, Modality.CXR).reports("train"))

    assert SECRET not in str(raised.value)


def test_what_is_no_text_is_named(tmp_path):
    """Other encodings, cut-off archives, other kinds of file, and no file."""
    (tmp_path / "latin.csv").write_bytes(b"id,text\n1,\xe9\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"id,text\n" + b"1,abcdefgh\n" * 999)[:-30])

    for name, message in (
        ("latin.csv", "not UTF-8"),
        ("cut.csv.gz", "damaged or cut off"),
        ("reports.xlsx", "are read from"),
        ("none.csv", "No such file"),
    ):
        with pytest.raises(UserError, match=message):
            list(ReportFile(tmp_path / name, Modality.CXR).reports("train"))


@pytest.mark.parametrize("name", ["reports.csv.gz", "reports.jsonl.gz"])
def test_a_damaged_archive_is_named(tmp_path, name):
    """A kind of block that no compressor writes, behind a sound header of ten bytes."""
    packed = gzip.compress(b"id,text\n1,Effusion.\n")
    (tmp_path / name).write_bytes(packed[:10] + b"\xff\xff" + packed[12:])

    with pytest.raises(UserError, match=rf"{name}, after row \d+: the file is damaged or cut off"):
        list(ReportFile(tmp_path / name, Modality.CXR).reports("train"))


def test_mimic_names_what_is_missing(mimic, tmp_path):
    """The row of the study whose report is not there; a split that does not exist; a folder without the table."""
    (mimic / "files" / "p10" / "p10000001" / "s50000001.txt").unlink()

    with pytest.raises(UserError, match=r"split\.csv, row 4: report files/p10/p10000001/s50000001\.txt: No such file"):
        list(MimicCxr(mimic).reports("train"))
    with pytest.raises(UserError, match="no split 'valid'; it has test, train"):
        list(MimicCxr(mimic).reports("valid"))
    with pytest.raises(UserError, match=r"holds no mimic-cxr-2\.0\.0-split\.csv"):
        list(MimicCxr(tmp_path).reports("train"))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("d", "../../etc", "1", "train"), "must be numbers"),
        (("d", "51143872", "10000001", "train"), "another subject or split"),
    ],
)
def test_mimic_refuses_rows_that_contradict(mimic, row, message):
    """Numbers only, as they become paths; a study has one patient and one split."""
    with (mimic / "mimic-cxr-2.0.0-split.csv").open("a") as table:
        table.write(",".join(row) + "\n")

    with pytest.raises(UserError, match=rf"row 6: .*{message}"):
        list(MimicCxr(mimic).reports("train"))


def test_ct_rate_names_a_volume_that_is_none(ct_rate):
    """A VolumeName of another shape is no scan."""
    with (ct_rate / "train_reports.csv").open("a") as table:
        table.write("scan.nii.gz,,,x,y\n")

    with pytest.raises(UserError, match=r"row \d+: VolumeName is not like"):
        list(CtRate(ct_rate).reports("train"))


def test_only_what_speaks_of_the_images_is_kept():
    """Findings, impression and addenda without their headings; a text without headings whole."""
    text = "INDICATION: Cough.\n\nFINDINGS:\nClear lungs.\n\nCOMPARISON: None.\n\nIMPRESSION: Normal."

    assert "Clear lungs.\n\nNormal." == spoken_text(text)
    assert "Clear lungs." == spoken_text("Clear lungs.")
