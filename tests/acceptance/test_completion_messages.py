"""What modalities and archives say completes a study at once, on the whole node, however long the quiet time is."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import (
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)

from dicom_services.commitment_messages import SOP_INSTANCE_UID, request_dataset
from radir_node.domain.commitment import SopReference

Node = Any  # tests/conftest.py: RunningNode
Wait = Callable[..., None]

MESSAGES = (InstanceAvailabilityNotification, ModalityPerformedProcedureStep, StorageCommitmentPushModel)


def test_messages_of_peers_complete_studies(make_node: Callable[..., Node], phantoms: Path, wait: Wait) -> None:
    """Three studies come without a word; each is indexed when its notification, procedure step or commitment comes."""
    modality = {"ct": {"ae_title": "CT_SCANNER", "host": "127.0.0.1", "port": 104}}
    quiet = {"DICOM__QUIET_SECONDS_RADIOGRAPH": "600", "DICOM__QUIET_SECONDS_CT": "600"}
    node = make_node(DICOM__PEERS=json.dumps(modality), **quiet).start()
    folders = sorted(phantoms.iterdir())[:3]
    studies = [[pydicom.dcmread(path, stop_before_pixels=True) for path in folder.rglob("*.dcm")] for folder in folders]
    ae = AE("CT_SCANNER")
    for sop_class in MESSAGES:
        ae.add_requested_context(sop_class)
    association = ae.associate("127.0.0.1", node.port("scp"), ae_title="RADIR")
    assert association.is_established
    step = generate_uid()
    begun, _ = association.send_n_create(in_progress(studies[1]), ModalityPerformedProcedureStep, step)
    for folder in folders:
        node.send(*folder.rglob("*.dcm"))
    before = {row["state"] for row in node.json("studies")}

    notified, _ = association.send_n_create(availability(studies[0]), InstanceAvailabilityNotification, generate_uid())
    ended, _ = association.send_n_set(completed(studies[1]), ModalityPerformedProcedureStep, step)
    asked, _ = association.send_n_action(wanted(studies[2]), 1, StorageCommitmentPushModel, SOP_INSTANCE_UID)
    association.release()

    def found() -> dict[str, tuple[str, str, str]]:
        rows = node.json("studies")
        return {row["study_instance_uid"]: (row["state"], row["completion"], row["evidence"]) for row in rows}

    expected = {
        str(study[0].StudyInstanceUID): ("indexed", "verified", evidence)
        for study, evidence in zip(studies, ("ian", "mpps", "commitment"), strict=True)
    }
    assert [0, 0, 0, 0] == [each.Status for each in (begun, notified, ended, asked)]
    assert before <= {"receiving", "quiet"}
    wait(lambda: found() == expected, 60, lambda: f"{found()} {node.log()[-2000:]}")


def availability(study: Sequence[Dataset]) -> Dataset:
    ds = Dataset()
    ds.StudyInstanceUID = study[0].StudyInstanceUID
    ds.ReferencedPerformedProcedureStepSequence = []
    ds.ReferencedSeriesSequence = []
    for image in study:
        item = referenced(image)
        item.InstanceAvailability, item.RetrieveAETitle = "ONLINE", "PACS"
        series = Dataset()
        series.SeriesInstanceUID = image.SeriesInstanceUID
        series.ReferencedSOPSequence = [item]
        ds.ReferencedSeriesSequence.append(series)
    return ds


def in_progress(study: Sequence[Dataset]) -> Dataset:
    scheduled = Dataset()
    scheduled.StudyInstanceUID = study[0].StudyInstanceUID
    ds = Dataset()
    ds.PerformedProcedureStepStatus = "IN PROGRESS"
    ds.ScheduledStepAttributesSequence = [scheduled]
    return ds


def completed(study: Sequence[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = study[0].SeriesInstanceUID
    series.ReferencedImageSequence = [referenced(image) for image in study]
    ds = Dataset()
    ds.PerformedProcedureStepStatus = "COMPLETED"
    ds.PerformedSeriesSequence = [series]
    return ds


def wanted(study: Sequence[Dataset]) -> Dataset:
    references = [SopReference(str(image.SOPClassUID), str(image.SOPInstanceUID)) for image in study]
    return request_dataset(generate_uid(), references)


def referenced(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item
