"""dcmjs-dimse as a modality: it asks for storage commitment, reports its procedure step and what is available."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from independent_clients import Dcmjs
from pydicom.uid import CTImageStorage, generate_uid

Site, Study = Any, Any  # conftest.py

COMMITMENT, COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
MPPS = "1.2.840.10008.3.1.2.3.3"
AVAILABILITY = "1.2.840.10008.5.1.4.33"
ALL_COMMITTED, FAILURES_EXIST = 1, 2
NO_SUCH_OBJECT_INSTANCE = 0x0112
SUCCESS = 0x0000


def references(uids: Sequence[str]) -> list[dict[str, str]]:
    return [{"ReferencedSOPClassUID": CTImageStorage, "ReferencedSOPInstanceUID": uid} for uid in uids]


def request(transaction_uid: str, uids: Sequence[str]) -> dict[str, Any]:
    """An N-ACTION that asks for the commitment of objects."""
    dataset = {"TransactionUID": transaction_uid, "ReferencedSOPSequence": references(uids)}
    return {
        "operation": "action", "sopClass": COMMITMENT, "instance": COMMITMENT_INSTANCE, "type": 1, "dataset": dataset,
    }  # fmt: skip


def named(items: Sequence[Mapping[str, Any]]) -> set[str]:
    return {item["ReferencedSOPInstanceUID"] for item in items}


def test_commitment_on_an_association_of_the_node(site: Site, stored: Callable[..., Study], dcmjs: Dcmjs) -> None:
    """A modality that releases at once is called back at its own address: everything is committed."""
    study, transaction = stored(3), generate_uid()

    outcome = dcmjs.talk(
        site.port, [request(transaction, study.sop_instance_uids)], listen=site.ports["DCMJS"], reports=1
    )

    assert [[SUCCESS]] == [[each["status"] for each in responses] for responses in outcome["responses"]]
    (report,) = outcome["reports"]
    assert ("own association", ALL_COMMITTED) == (report["where"], report["event"])
    assert transaction == report["dataset"]["TransactionUID"]
    assert set(study.sop_instance_uids) == named(report["dataset"]["ReferencedSOPSequence"])


def test_commitment_on_the_same_association(site: Site, stored: Callable[..., Study], dcmjs: Dcmjs) -> None:
    """A modality that stays is told on its association, also of what the node does not hold and why."""
    study, missing = stored(2), generate_uid()

    outcome = dcmjs.talk(
        site.port,
        [request(generate_uid(), [*study.sop_instance_uids, missing])],
        calling="STAYS",
        lingerMs=5000,
        reports=1,
    )

    (report,) = outcome["reports"]
    assert ("same association", FAILURES_EXIST) == (report["where"], report["event"])
    assert set(study.sop_instance_uids) == named(report["dataset"]["ReferencedSOPSequence"])
    (failed,) = report["dataset"]["FailedSOPSequence"]
    assert (missing, NO_SUCH_OBJECT_INSTANCE) == (failed["ReferencedSOPInstanceUID"], failed["FailureReason"])


def test_commitment_after_storage_on_one_association(
    site: Site, make_study: Callable[..., Study], dcmjs: Dcmjs
) -> None:
    """Stored and asked for in one breath: what was acknowledged before is committed."""
    study = make_study(2)
    sends = [{"operation": "store", "file": path} for path in study.files]

    outcome = dcmjs.talk(
        site.port,
        [*sends, request(generate_uid(), study.sop_instance_uids)],
        calling="BREATHLESS",
        lingerMs=5000,
        reports=1,
    )

    assert [SUCCESS] * 3 == [responses[-1]["status"] for responses in outcome["responses"]]
    assert [ALL_COMMITTED] == [report["event"] for report in outcome["reports"]]


def procedure_step(study: Study) -> list[dict[str, Any]]:
    """N-CREATE in progress, then N-SET completed."""
    about = {"sopClass": MPPS, "instance": generate_uid()}
    scheduled = {
        "StudyInstanceUID": study.uid, "ReferencedStudySequence": [], "AccessionNumber": "",
        "RequestedProcedureID": "", "RequestedProcedureDescription": "", "ScheduledProcedureStepID": "",
        "ScheduledProcedureStepDescription": "", "ScheduledProtocolCodeSequence": [],
    }  # fmt: skip
    begun = {
        "ScheduledStepAttributesSequence": [scheduled], "PatientName": "Doe^Jane", "PatientID": study.patient_id,
        "PatientBirthDate": "", "PatientSex": "F", "ReferencedPatientSequence": [],
        "PerformedProcedureStepID": "1", "PerformedStationAETitle": "DCMJS", "PerformedStationName": "",
        "PerformedLocation": "", "PerformedProcedureStepStartDate": "20240305",
        "PerformedProcedureStepStartTime": "101500", "PerformedProcedureStepStatus": "IN PROGRESS",
        "PerformedProcedureStepDescription": "", "PerformedProcedureTypeDescription": "",
        "ProcedureCodeSequence": [], "PerformedProcedureStepEndDate": "", "PerformedProcedureStepEndTime": "",
        "Modality": "CT", "StudyID": "1", "PerformedProtocolCodeSequence": [], "PerformedSeriesSequence": [],
    }  # fmt: skip
    series = {
        "PerformingPhysicianName": "", "ProtocolName": "chest", "OperatorsName": "",
        "SeriesInstanceUID": study.series_uid, "SeriesDescription": "", "RetrieveAETitle": "",
        "ReferencedImageSequence": references(study.sop_instance_uids),
        "ReferencedNonImageCompositeSOPInstanceSequence": [],
    }  # fmt: skip
    ended = {
        "PerformedProcedureStepStatus": "COMPLETED", "PerformedProcedureStepEndDate": "20240305",
        "PerformedProcedureStepEndTime": "102000", "PerformedSeriesSequence": [series],
    }  # fmt: skip
    return [{"operation": "create", **about, "dataset": begun}, {"operation": "set", **about, "dataset": ended}]


def notification(study: Study) -> list[dict[str, Any]]:
    """N-CREATE of an Instance Availability Notification."""
    instances = [
        {**reference, "InstanceAvailability": "ONLINE", "RetrieveAETitle": "ARCHIVE"}
        for reference in references(study.sop_instance_uids)
    ]
    series = {"SeriesInstanceUID": study.series_uid, "ReferencedSOPSequence": instances}
    dataset = {
        "ReferencedPerformedProcedureStepSequence": [], "StudyInstanceUID": study.uid,
        "ReferencedSeriesSequence": [series],
    }  # fmt: skip
    return [{"operation": "create", "sopClass": AVAILABILITY, "instance": generate_uid(), "dataset": dataset}]


@pytest.mark.parametrize("message", [procedure_step, notification])
def test_a_message_completes_a_study(
    site: Site,
    make_study: Callable[..., Study],
    dcmjs: Dcmjs,
    wait: Callable[..., None],
    message: Callable[[Study], list[dict[str, Any]]],
) -> None:
    """A performed procedure step or a notification is answered success, and says that the study is all there."""
    study = make_study(2)
    sends = [{"operation": "store", "file": path} for path in study.files]

    outcome = dcmjs.talk(site.port, [*sends, *message(study)])

    def completion() -> str:
        found = [each for each in site.node.json("studies") if each["study_instance_uid"] == study.uid]
        return str(found[0]["completion"]) if found else ""

    assert {SUCCESS} == {each["status"] for responses in outcome["responses"] for each in responses}
    wait(lambda: "verified" == completion(), 20, lambda: f"the study is {completion() or 'not listed'}")
