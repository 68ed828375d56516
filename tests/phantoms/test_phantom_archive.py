"""Generated studies as DICOM files: valid for independent checkers, labelled, in geometry, and repeatable."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from dicom_services.phantom_archive import study_instance_uid, write_study
from radir_node.domain.phantom import SYNTHETIC, FindingKind, PhantomCase, PhantomFinding, PhantomStudy
from radir_node.domain.study import Modality
from radir_node.phantoms.archive import cases, render

_JARS = [Path("/usr/share/java/pixelmed.jar"), Path("/usr/share/java/commons-codec.jar")]
_NO_LIMITS = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("TotalOp", "ExprOp", "ExprGrp")]
_SR_CHECKER = "com.pixelmed.validate.DicomSRValidator"
_STUDIES = ("DX", "CR", "CT")

Written = dict[str, tuple[PhantomStudy, list[Path]]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, case_of: Callable[..., PhantomCase]) -> Written:
    """One study of each kind on disk: DX, CR and CT, each with its report."""
    _, dx, cr = cases(3, 0, 7)
    ct = case_of(Modality.CT, PhantomFinding(FindingKind.EFFUSION, "pleura:left", 0.6))
    root = tmp_path_factory.mktemp("archive")
    studies = {kind: render(case) for kind, case in zip(_STUDIES, (dx, cr, ct), strict=True)}
    return {kind: (study, write_study(study, root / kind)) for kind, study in studies.items()}


def _objects(written: Written) -> list[Dataset]:
    return [dcmread(path) for _, paths in written.values() for path in paths]


@pytest.mark.parametrize("kind", _STUDIES)
@pytest.mark.parametrize("position", [0, -1], ids=["image", "report"])
def test_dciodvfy_finds_no_error(written: Written, kind: str, position: int) -> None:
    """Every kind of object is a valid IOD for dicom3tools."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")

    result = subprocess.run(["dciodvfy", str(written[kind][1][position])], capture_output=True, text=True, check=False)

    assert "Error" not in result.stderr + result.stdout
    assert "IOD" in result.stderr + result.stdout or result.returncode == 0


@pytest.mark.parametrize("kind", ["DX", "CT"])
def test_pixelmed_finds_no_error_in_a_report(written: Written, kind: str) -> None:
    """Basic Text and Enhanced reports follow TID 2000 for the SR validator of the IHE Connectathon."""
    if shutil.which("java") is None or not all(jar.is_file() for jar in _JARS):
        pytest.skip("the PixelMed SR validator is not installed (Debian package libpixelmed-java)")
    classpath = ":".join(str(jar) for jar in _JARS)

    result = subprocess.run(
        ["java", *_NO_LIMITS, "-cp", classpath, _SR_CHECKER, str(written[kind][1][-1])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "Root Template Validation Complete" in result.stdout
    assert "Error" not in result.stdout + result.stderr
    assert "Warning" not in result.stdout + result.stderr


def test_every_object_says_that_it_is_synthetic(written: Written) -> None:
    """Name, study, series, institution and, on images, comment and burned-in flag say so."""
    for ds in _objects(written):
        for keyword in ("PatientName", "StudyDescription", "SeriesDescription", "InstitutionName", "Manufacturer"):
            assert SYNTHETIC in str(ds[keyword].value)
        if ds.Modality != "SR":
            assert ds.BurnedInAnnotation == "YES"
            assert SYNTHETIC in ds.ImageComments


def test_both_kinds_of_film_and_of_report_occur(written: Written) -> None:
    """DX is MONOCHROME2, CR is MONOCHROME1, reports come as Basic Text and as Enhanced SR."""
    objects = _objects(written)

    assert {("DX", "MONOCHROME2"), ("CR", "MONOCHROME1"), ("CT", "MONOCHROME2")} == {
        (ds.Modality, ds.PhotometricInterpretation) for ds in objects if "PixelData" in ds
    }
    assert {"Basic Text SR Storage", "Enhanced SR Storage"} == {
        ds.SOPClassUID.name for ds in objects if ds.Modality == "SR"
    }


def test_film_pixels_come_back(written: Written) -> None:
    """What was drawn is what a reader gets, the CR inverted as its photometric interpretation says."""
    dx, cr = (dcmread(written[kind][1][0]) for kind in ("DX", "CR"))

    assert np.array_equal(dx.pixel_array, written["DX"][0].images[0])
    assert np.array_equal(4095 - cr.pixel_array, written["CR"][0].images[0])


def test_ct_slices_come_back_at_their_places(written: Written) -> None:
    """Sorted by position, rescaled to HU, the slices are the drawn volume, evenly spaced."""
    study, paths = written["CT"]
    slices = sorted((dcmread(path) for path in paths[:-1]), key=lambda ds: float(ds.ImagePositionPatient[2]))

    hu = np.stack([ds.pixel_array.astype(np.int32) + int(ds.RescaleIntercept) for ds in slices])
    steps = np.diff([float(ds.ImagePositionPatient[2]) for ds in slices])

    assert np.array_equal(hu, study.images)
    assert np.allclose(steps, study.spacing_mm[0])
    assert [1, 0, 0, 0, 1, 0] == list(slices[0].ImageOrientationPatient)
    assert np.allclose(slices[0].PixelSpacing, study.spacing_mm[1:])
    assert slices[-1].InstanceNumber == 1


def test_the_report_object_holds_the_whole_text(written: Written) -> None:
    """Indication, findings and impression stand in the containers of TID 2000, and the images are its evidence."""
    study, paths = written["CT"]
    report = dcmread(paths[-1])

    sections = {
        item.ConceptNameCodeSequence[0].CodeValue: item.ContentSequence[0].TextValue
        for item in report.ContentSequence
        if item.ValueType == "CONTAINER"
    }
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence

    assert {
        "121109": study.report.indication,
        "121070": study.report.findings,
        "121072": study.report.impression,
    } == sections
    assert len(paths) - 1 == len(evidence)


def test_identifiers_are_unique_and_belong_together(written: Written) -> None:
    """One Study Instance UID per study, one SOP Instance UID per object, patient and study agree throughout."""
    objects = _objects(written)

    assert len(objects) == len({ds.SOPInstanceUID for ds in objects})
    for study, paths in written.values():
        uids = {dcmread(path, stop_before_pixels=True).StudyInstanceUID for path in paths}
        assert {study_instance_uid(study.case)} == uids


def test_writing_twice_gives_the_same_bytes(written: Written, tmp_path: Path) -> None:
    """A repeated demonstration sends the same archive."""
    study, paths = written["DX"]

    again = write_study(study, tmp_path)

    assert [path.name for path in paths] == [path.name for path in again]
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
