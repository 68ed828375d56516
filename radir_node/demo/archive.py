"""The demo's studies: generated phantoms, kept between runs, or a folder that was given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicom_services.objects.header import read_header
from dicom_services.phantom_archive import write_study
from radir_node.errors import NotIndexable, UserError
from radir_node.phantoms.archive import cases, render

RADIOGRAPHS, VOLUMES, SEED = 48, 16, 2025


@dataclass(frozen=True, slots=True)
class DemoStudy:
    """The files of one study."""

    study_instance_uid: str
    files: tuple[Path, ...]
    has_radiograph: bool
    has_report: bool


def phantom_archive(folder: Path, progress: Callable[[int, int], None]) -> list[DemoStudy]:
    """Render the built-in archive into `folder` (a finished study is not rendered again) and return its studies."""
    wanted = list(cases(RADIOGRAPHS, VOLUMES, SEED))
    for number, case in enumerate(wanted):
        target = folder / f"{number:04d}"
        if not target.is_dir():
            side = folder / f".{number:04d}.part"
            side.mkdir(parents=True, exist_ok=True)
            write_study(render(case), side)
            side.rename(target)
        progress(number + 1, len(wanted))
    return studies_in(folder)


def studies_in(folder: Path) -> list[DemoStudy]:
    """Group the DICOM files of a folder by study, in the order of their paths. Raises UserError when there is none."""
    if not folder.is_dir():
        raise UserError(f"--studies: {folder} is not a folder")
    grouped: dict[str, list[tuple[Path, str]]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            header = read_header(path)
        except NotIndexable:
            continue  # the folder may hold anything; only DICOM is sent
        grouped.setdefault(header.study_instance_uid, []).append((path, header.modality))
    if not grouped:
        raise UserError(f"--studies: {folder} holds no DICOM file")
    return [_study(uid, members) for uid, members in grouped.items()]


def _study(uid: str, members: Sequence[tuple[Path, str]]) -> DemoStudy:
    modalities = {modality for _, modality in members}
    return DemoStudy(uid, tuple(path for path, _ in members), bool(modalities & {"CR", "DX"}), "SR" in modalities)


def held_back(studies: Sequence[DemoStudy]) -> DemoStudy:
    """Return the study that plays the new case: the last radiograph with a report, else the last study."""
    for wanted in (lambda s: s.has_radiograph and s.has_report, lambda s: s.has_radiograph, lambda s: True):
        found = [study for study in studies if wanted(study)]
        if found:
            return found[-1]
    raise UserError("no study to look up")
