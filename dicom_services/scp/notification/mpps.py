"""Modality Performed Procedure Step SCP (PS3.4 F.7): what a modality says of its work tells when a study is complete.

A study is waited for while a step of it is in progress; a completed step names the instances that make the study.
Called by requests.py.
"""

from collections.abc import Iterator
from io import BytesIO

from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode, encode

from dicom_services.dimse.status import Status
from dicom_services.objects.attributes import items, text, valid_uid
from dicom_services.scp.exchange import Exchange
from dicom_services.scp.notification.normalized import (
    Refused,
    affected_instance,
    kept_already,
    refusing,
    requested_instance,
)
from dicom_services.scp.ports import CompletionPort, ProcedureStepPort
from radir_node.domain.procedure_step import ProcedureStep, ProcedureStepState
from radir_node.domain.study import Evidence

MAY_NO_LONGER_BE_UPDATED = 0xA506
"""Error ID (0000,0903) that goes with processing failure (PS3.4 F.7.2.2.2)."""

_REFERENCES = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")
"""Of one item of Performed Series Sequence (PS3.3 C.4.15)."""


def answer_create(exchange: Exchange, steps: ProcedureStepPort) -> None:
    """Answer an N-CREATE: a step begins."""
    with refusing(exchange):
        step = _step(affected_instance(exchange), exchange.calling_ae_title, exchange.identifier())
        if step.state is not ProcedureStepState.IN_PROGRESS:
            raise Refused(Status.INVALID_ATTRIBUTE_VALUE, "a step is created IN PROGRESS")
        if not steps.create(step):
            raise Refused(Status.DUPLICATE_SOP_INSTANCE, "the step exists")
        exchange.respond(Status.SUCCESS, AffectedSOPInstanceUID=step.sop_instance_uid)


def answer_set(exchange: Exchange, steps: ProcedureStepPort, completion: CompletionPort) -> None:
    """Answer an N-SET: a step goes on, or ends."""
    with refusing(exchange):
        uid = requested_instance(exchange)
        modifications = exchange.identifier()
        changed = steps.change(uid, lambda step: _changed(step, modifications))
        if changed is None:
            raise Refused(Status.NO_SUCH_SOP_INSTANCE, "the step is not known")
        if changed.state is ProcedureStepState.COMPLETED:
            with kept_already():
                _announce(changed, completion)
        exchange.respond(Status.SUCCESS, AffectedSOPInstanceUID=uid)


def _changed(step: ProcedureStep, modifications: Dataset) -> ProcedureStep:
    """Return the step with its new attributes. Raises Refused when it has ended before."""
    if step.state is not ProcedureStepState.IN_PROGRESS:
        raise Refused(Status.PROCESSING_FAILURE, "the step may no longer be updated", MAY_NO_LONGER_BE_UPDATED)
    whole = _read(step.dataset)
    for element in modifications:
        whole[element.tag] = element
    return _step(step.sop_instance_uid, step.calling_ae_title, whole)


def _step(uid: str, calling_ae_title: str, dataset: Dataset) -> ProcedureStep:
    """Return the step that a data set describes. Raises Refused."""
    return ProcedureStep(
        sop_instance_uid=uid,
        state=_state(dataset),
        study_instance_uids=_studies(dataset),
        calling_ae_title=calling_ae_title,
        dataset=_written(dataset),
    )


def _state(dataset: Dataset) -> ProcedureStepState:
    if "PerformedProcedureStepStatus" not in dataset:
        raise Refused(Status.MISSING_ATTRIBUTE, "PerformedProcedureStepStatus")
    try:
        return ProcedureStepState(text(dataset, "PerformedProcedureStepStatus"))
    except ValueError:
        raise Refused(Status.INVALID_ATTRIBUTE_VALUE, "PerformedProcedureStepStatus") from None


def _studies(dataset: Dataset) -> tuple[str, ...]:
    """Return the studies that the step adds to; a step of several scheduled ones may have several."""
    scheduled = items(dataset, "ScheduledStepAttributesSequence")
    if not scheduled:
        raise Refused(Status.MISSING_ATTRIBUTE, "ScheduledStepAttributesSequence")
    uids = dict.fromkeys(text(item, "StudyInstanceUID") for item in scheduled)
    if "" in uids:
        raise Refused(Status.MISSING_ATTRIBUTE_VALUE, "StudyInstanceUID")
    if not all(map(valid_uid, uids)):
        raise Refused(Status.INVALID_ATTRIBUTE_VALUE, "StudyInstanceUID")
    return tuple(uids)


def _announce(step: ProcedureStep, completion: CompletionPort) -> None:
    """Say what the step has made. One that lists nothing says only that it has ended: its images may be on their way.

    Which instance belongs to which study of a step is not stated: each is complete when all are here.
    """
    made = list(_made(_read(step.dataset)))
    for study in step.study_instance_uids if made else ():
        completion.announce_complete(study, made, Evidence.MPPS)


def _made(dataset: Dataset) -> Iterator[str]:
    for series in items(dataset, "PerformedSeriesSequence"):
        for keyword in _REFERENCES:
            for reference in items(series, keyword):
                uid = text(reference, "ReferencedSOPInstanceUID")
                if valid_uid(uid):
                    yield uid


def _written(dataset: Dataset) -> bytes:
    """Encode for the catalogue, in the one character set that holds every other."""
    dataset.SpecificCharacterSet = "ISO_IR 192"
    data = encode(dataset, False, True)
    if data is None:
        raise Refused(Status.INVALID_ATTRIBUTE_VALUE, "an attribute does not fit its VR")
    return bytes(data)


def _read(data: bytes) -> Dataset:
    dataset = decode(BytesIO(data), False, True)
    dataset.decode()
    return dataset  # type: ignore[no-any-return]  # pynetdicom carries no types
