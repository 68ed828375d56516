"""A study yields its images, and one reason for each instance that is not searched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    DigitalXRayImageStorageForProcessing,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    MRImageStorage,
)

from dicom_services.objects.header import read_header
from dicom_services.objects.preview import LARGEST_SIDE, preview
from dicom_services.objects.study import prepare_study, reports_of
from radir_node.domain.study import InstanceHeader, Modality, PreparedStudy, Radiograph

Write = Callable[..., Path]
Picture = NDArray[np.uint16]
Stored = list[tuple[Path, InstanceHeader]]


def stored(*paths: Path) -> Stored:
    return [(path, read_header(path)) for path in paths]


def test_frontal_and_lateral(radiograph: Write, ramp: Picture) -> None:
    """The frontal view is read, the lateral one has its reason."""
    frontal, lateral = stored(radiograph(ramp), radiograph(ramp, ViewPosition="LL"))

    prepared = prepare_study([lateral, frontal])

    assert Modality.CXR is prepared.modality
    assert [frontal[1].sop_instance_uid] == [image.sop_instance_uid for image in prepared.radiographs]
    assert {lateral[1].sop_instance_uid: "lateral view"} == dict(prepared.not_indexable)


def test_order(radiograph: Write, ramp: Picture) -> None:
    """Several frontal images come in the order of their instance numbers."""
    paths = [radiograph(ramp, SeriesNumber=1, InstanceNumber=number) for number in (3, 1, 2)]
    instances = stored(*paths)

    prepared = prepare_study(instances)

    assert [instances[place][1].sop_instance_uid for place in (1, 2, 0)] == [
        image.sop_instance_uid for image in prepared.radiographs
    ]


def test_processed_before_raw(radiograph: Write, ramp: Picture) -> None:
    """Detector data are read only where the study has no processed image."""
    raw = {"SOPClassUID": DigitalXRayImageStorageForProcessing, "PresentationIntentType": "FOR PROCESSING"}
    both = stored(radiograph(ramp, **raw), radiograph(ramp))

    together, alone = prepare_study(both), prepare_study(both[:1])

    assert {both[0][1].sop_instance_uid: "the processed image is searched instead"} == dict(together.not_indexable)
    assert 1 == len(alone.radiographs)


def test_other_instances(save: Write, radiograph: Write, ramp: Picture) -> None:
    """Other modalities, objects that are no image and images without pixels each have a reason."""
    state = Dataset()
    state.SOPClassUID, state.Modality = GrayscaleSoftcopyPresentationStateStorage, "PR"
    private = Dataset()
    private.SOPClassUID = "1.2.826.0.1.3680043.8.498.5.5"
    empty = Dataset()
    empty.SOPClassUID, empty.Modality = MRImageStorage, "MR"
    instances = stored(
        radiograph(ramp, SOPClassUID=MRImageStorage, Modality="MR"), save(state), save(private), save(empty)
    )

    prepared = prepare_study(instances)

    assert prepared.modality is None
    assert [
        "MR is not a modality this node searches",
        "Grayscale Softcopy Presentation State Storage is not an image",
        "an object of an unknown SOP class is not an image",
        "no pixel data",
    ] == [prepared.not_indexable[header.sop_instance_uid] for _, header in instances]


def test_one_failure_stops_nothing(radiograph: Write, ramp: Picture, tmp_path: Path) -> None:
    """A broken and a vanished file have their reasons, the others are read."""
    good, broken, gone = stored(radiograph(ramp), radiograph(ramp), radiograph(ramp))
    broken[0].write_bytes(broken[0].read_bytes()[:-5000])
    gone[0].unlink()

    prepared = prepare_study([gone, broken, good])

    assert [good[1].sop_instance_uid] == [image.sop_instance_uid for image in prepared.radiographs]
    assert "the stored file is missing" == prepared.not_indexable[gone[1].sop_instance_uid]
    assert "less than expected" in prepared.not_indexable[broken[1].sop_instance_uid]


def test_ct_before_radiographs(ct_slices: Callable[..., Stored], radiograph: Write, ramp: Picture) -> None:
    """A study with a CT volume is searched by it."""
    (image,) = stored(radiograph(ramp))

    prepared = prepare_study([image, *ct_slices()])

    assert Modality.CT is prepared.modality
    assert {image[1].sop_instance_uid: "the study is searched by its CT"} == dict(prepared.not_indexable)


def test_reports(
    sr_document: Write, content_item: Callable[..., Dataset], save: Write, radiograph: Write, ramp: Picture
) -> None:
    """Report documents are read apart from the images, and each other document has its reason."""
    finding = content_item("TEXT", ("121071", "DCM", "Finding"), TextValue="The lungs are clear.")
    pdf = Dataset()
    pdf.SOPClassUID, pdf.EncapsulatedDocument = EncapsulatedPDFStorage, b"%PDF-1.4 broken "
    instances = stored(sr_document([finding]), sr_document([]), save(pdf), radiograph(ramp))

    reports, reasons = reports_of(instances)

    assert ["FINDINGS:\nThe lungs are clear."] == [report.text for report in reports]
    assert ["holds no report text", "the PDF cannot be read"] == list(reasons.values())
    assert {} == dict(prepare_study(instances).not_indexable)


def test_nothing() -> None:
    """A study without instances has no modality, no reasons and no picture."""
    prepared = prepare_study([])

    assert PreparedStudy(None) == prepared
    assert preview(prepared) is None


def test_preview_of_a_radiograph() -> None:
    """A large radiograph is fitted into 512 pixels at its proportions."""
    pixels = np.tile(np.linspace(0, 1, 1000, dtype=np.float32)[:, None], (1, 500))
    image = Radiograph("1.2", "1.3", pixels)

    shown = preview(PreparedStudy(Modality.CXR, radiographs=(image,)))

    assert shown is not None
    assert (np.uint8, (LARGEST_SIDE, LARGEST_SIDE // 2)) == (shown.pixels.dtype, shown.pixels.shape)
    assert shown.pixels[0].max() < 5 < 250 < shown.pixels[-1].min()


def test_preview_of_a_ct(ct_slices: Callable[..., Stored]) -> None:
    """Axial and coronal section stand side by side at one scale, the lungs dark, the body bright."""
    prepared = prepare_study(ct_slices())

    shown = preview(prepared)

    assert shown is not None
    rows, columns = shown.pixels.shape
    assert rows <= LARGEST_SIDE
    axial, coronal = shown.pixels[:, : columns // 2 - 2], shown.pixels[:, columns // 2 + 2 :]
    assert axial.shape[1] == coronal.shape[1]
    assert axial[rows // 2, axial.shape[1] // 2] > 200
    assert axial[rows // 2, round(axial.shape[1] * (0.5 + 70 / 360))] < 100
