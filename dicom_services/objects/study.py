"""Reads one complete study: which of its images are searched, and why each other one is not. Called by ingest.

A study is searched by its best CT series where it has one that can be read, else by its frontal radiographs. A failure
in one instance never stops the others.
"""

from collections.abc import Sequence
from pathlib import Path

from pydicom.uid import UID

from dicom_services.objects.ct_slices import CT_CLASSES
from dicom_services.objects.ct_study import choose_volume
from dicom_services.objects.grayscale import is_for_processing
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.pixels import DecodeLimits
from dicom_services.objects.radiograph import read_radiograph
from dicom_services.objects.reasons import refusing
from dicom_services.objects.report_text import READERS, read_report
from dicom_services.objects.views import (
    RADIOGRAPH_CLASSES,
    RADIOGRAPH_MODALITIES,
    why_not_frontal_chest,
)
from radir_node.domain.report import ReportText
from radir_node.domain.study import InstanceHeader, Modality, PreparedStudy, Radiograph
from radir_node.errors import NotIndexable

StoredInstances = Sequence[tuple[Path, InstanceHeader]]

_IMAGE_NAMES = ("Image Storage", "Image Storage - For Presentation", "Image Storage - For Processing")


def prepare_study(instances: StoredInstances, limits: DecodeLimits | None = None) -> PreparedStudy:
    """Read what an encoder needs of a study, and give the reason for every other instance that is no report document.

    Never raise NotIndexable: a study with nothing to search has modality None.
    """
    radiographs, slices, reasons = _sorted_out(instances)
    found = choose_volume(slices, limits)
    reasons.update(found.reasons)
    if found.volume is not None:
        reasons.update((header.sop_instance_uid, "the study is searched by its CT") for _, header in radiographs)
        return PreparedStudy(Modality.CT, volumes=(found.volume,), not_indexable=reasons)
    images = _frontal(radiographs, reasons, limits)
    return PreparedStudy(Modality.CXR if images else None, radiographs=tuple(images), not_indexable=reasons)


def reports_of(instances: StoredInstances) -> tuple[list[ReportText], dict[str, str]]:
    """Return the narrative reports of a study, and SOP Instance UID -> reason for each other document of it."""
    reports: list[ReportText] = []
    reasons: dict[str, str] = {}
    for path, header in instances:
        if header.sop_class_uid not in READERS:
            continue
        try:
            report = read_report(path)
        except (NotIndexable, FileNotFoundError) as error:
            reasons[header.sop_instance_uid] = _reason(error)
            continue
        if report is None:
            reasons[header.sop_instance_uid] = "holds no report text"
        else:
            reports.append(report)
    return reports, reasons


def _sorted_out(instances: StoredInstances) -> tuple[StoredInstances, StoredInstances, dict[str, str]]:
    """Part the instances into radiographs, CT slices and reasons for all others."""
    radiographs: list[tuple[Path, InstanceHeader]] = []
    slices: list[tuple[Path, InstanceHeader]] = []
    reasons: dict[str, str] = {}
    for path, header in instances:
        if header.sop_class_uid in READERS:
            continue
        if not _is_image(header):
            reasons[header.sop_instance_uid] = f"{_class_name(header)} is not an image"
        elif not header.rows or not header.columns:
            reasons[header.sop_instance_uid] = "no pixel data"
        elif header.sop_class_uid in CT_CLASSES or header.modality == "CT":
            slices.append((path, header))
        elif header.sop_class_uid in RADIOGRAPH_CLASSES or header.modality in RADIOGRAPH_MODALITIES:
            radiographs.append((path, header))
        else:
            kind = header.modality or _class_name(header)
            reasons[header.sop_instance_uid] = f"{kind} is not a modality this node searches"
    return radiographs, slices, reasons


def _is_image(header: InstanceHeader) -> bool:
    name = UID(header.sop_class_uid).name
    return name.endswith(_IMAGE_NAMES) or (header.rows is not None and header.columns is not None)


def _class_name(header: InstanceHeader) -> str:
    sop_class = UID(header.sop_class_uid)
    return "an object of an unknown SOP class" if sop_class.name == sop_class else sop_class.name


def _frontal(radiographs: StoredInstances, reasons: dict[str, str], limits: DecodeLimits | None) -> list[Radiograph]:
    """Read the frontal chest views, in the order of series and instance numbers; add a reason for each other image."""
    raw: list[tuple[Path, InstanceHeader]] = []
    images: list[Radiograph] = []
    for path, header in sorted(radiographs, key=_number):
        try:
            with refusing("the header cannot be read"):
                dataset = open_dataset(path, pixels=False)
                turned_away = why_not_frontal_chest(dataset)
                unprocessed = is_for_processing(dataset)
            if turned_away:
                raise NotIndexable(turned_away)
            if unprocessed:
                raw.append((path, header))
            else:
                images.append(read_radiograph(path, limits))
        except (NotIndexable, FileNotFoundError) as error:
            reasons[header.sop_instance_uid] = _reason(error)
    if images:
        reasons.update((header.sop_instance_uid, "the processed image is searched instead") for _, header in raw)
        return images
    for path, header in raw:
        try:
            images.append(read_radiograph(path, limits))
        except (NotIndexable, FileNotFoundError) as error:
            reasons[header.sop_instance_uid] = _reason(error)
    return images


def _number(instance: tuple[Path, InstanceHeader]) -> tuple[int, int, str]:
    header = instance[1]
    return header.series_number or 0, header.instance_number or 0, header.sop_instance_uid


def _reason(error: Exception) -> str:
    return "the stored file is missing" if isinstance(error, FileNotFoundError) else str(error)
