"""Finds the one CT volume that stands for a study, and says why each other slice does not. Called by study."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dicom_services.objects.ct import AssembledCt, read_volume
from dicom_services.objects.ct_geometry import LARGEST_GAP_MM, stack_geometry
from dicom_services.objects.ct_series import CtStack, grouped, ranked
from dicom_services.objects.ct_slices import CT_KEYWORDS, CtSlice, slices_of, why_not_ct_slice
from dicom_services.objects.part10 import open_dataset
from dicom_services.objects.pixels import DecodeLimits
from dicom_services.objects.reasons import refusing
from radir_node.domain.study import CtVolume, InstanceHeader
from radir_node.errors import NotIndexable


@dataclass(slots=True)
class ChosenCt:
    """The volume, and SOP Instance UID -> reason for every CT instance that has no part in it."""

    volume: CtVolume | None = None
    reasons: dict[str, str] = field(default_factory=dict)


def choose_volume(instances: Sequence[tuple[Path, InstanceHeader]], limits: DecodeLimits | None) -> ChosenCt:
    """Read the best CT stack of a study that can be read (rule: ct_series)."""
    chosen = ChosenCt()
    stacks = _stacks(_slices(instances, chosen.reasons), chosen.reasons)
    for stack in ranked(stacks):
        uids = {item.sop_instance_uid for item in stack.geometry.slices}
        if chosen.volume is not None:
            _explain(chosen.reasons, uids, "another series of the study is searched")
            continue
        try:
            with refusing("the volume cannot be assembled"):
                assembled = read_volume(stack, limits)
        except (NotIndexable, FileNotFoundError) as error:
            missing = isinstance(error, FileNotFoundError)
            _explain(chosen.reasons, uids, "the stored file is missing" if missing else str(error))
            continue
        chosen.volume = assembled.volume
        _settle(chosen.reasons, stack, assembled)
    return chosen


def _slices(instances: Sequence[tuple[Path, InstanceHeader]], reasons: dict[str, str]) -> dict[str, list[CtSlice]]:
    """Return the slices of each series by Series Instance UID."""
    series: dict[str, list[CtSlice]] = {}
    for path, header in instances:
        try:
            with refusing("the header cannot be read"):
                dataset = open_dataset(path, pixels=False, keywords=CT_KEYWORDS)
                turned_away = why_not_ct_slice(dataset)
                if turned_away:
                    raise NotIndexable(turned_away)
                found = slices_of(path, dataset, header.sop_instance_uid)
        except (NotIndexable, FileNotFoundError) as error:
            missing = isinstance(error, FileNotFoundError)
            reasons[header.sop_instance_uid] = "the stored file is missing" if missing else str(error)
            continue
        series.setdefault(header.series_instance_uid, []).extend(found)
    return series


def _stacks(series: dict[str, list[CtSlice]], reasons: dict[str, str]) -> list[CtStack]:
    stacks: list[CtStack] = []
    for series_instance_uid, slices in series.items():
        for group in grouped(slices):
            try:
                stacks.append(CtStack(series_instance_uid, stack_geometry(group)))
            except NotIndexable as error:
                _explain(reasons, {item.sop_instance_uid for item in group}, str(error))
    for stack in stacks:
        beyond = {item.sop_instance_uid for item in stack.geometry.beyond_gap}
        _explain(reasons, beyond, f"lies beyond a gap of more than {LARGEST_GAP_MM:.0f} mm")
        _explain(
            reasons, {item.sop_instance_uid for item in stack.geometry.duplicates}, "another slice is at its place"
        )
    return stacks


def _settle(reasons: dict[str, str], stack: CtStack, assembled: AssembledCt) -> None:
    """A multi-frame instance may be in several stacks: what is in the chosen one needs no reason."""
    for item in stack.geometry.slices:
        reasons.pop(item.sop_instance_uid, None)
    reasons.update(assembled.unreadable)


def _explain(reasons: dict[str, str], uids: set[str], reason: str) -> None:
    for sop_instance_uid in uids:
        reasons.setdefault(sop_instance_uid, reason)
