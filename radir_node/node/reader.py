"""The DICOM side of indexing: files of a study to images, report texts and the picture that pages show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dicom_services.objects.preview import preview
from dicom_services.objects.study import prepare_study, reports_of
from radir_node.domain.report import ReportText
from radir_node.domain.study import InstanceHeader, PreparedStudy
from radir_node.errors import StorageFull

Instances = Sequence[tuple[Path, InstanceHeader]]


@dataclass(frozen=True)
class DicomReader:
    """Implements radir_node.ingest.index_study.StudyReader."""

    previews: Path

    def prepare(self, instances: Instances) -> PreparedStudy:
        return prepare_study(instances)

    def reports(self, instances: Instances) -> tuple[Sequence[ReportText], Mapping[str, str]]:
        return reports_of(instances)

    def save_preview(self, prepared: PreparedStudy, study_id: int) -> None:
        """Write the study's picture under its catalogue number. Raises StorageFull."""
        picture = preview(prepared)
        if picture is None:
            return
        try:
            self.previews.mkdir(parents=True, exist_ok=True)
            side = self.previews / f"{study_id}.part"
            Image.fromarray(picture.pixels).save(side, format="PNG")
            side.rename(preview_path(self.previews, study_id))
        except OSError as error:
            raise StorageFull(f"a preview cannot be written to {self.previews}: {error.strerror}") from error


def preview_path(previews: Path, study_id: int) -> Path:
    return previews / f"{study_id}.png"
