"""Index one complete study: read, tag, encode, and write everything in one transaction. Called by the worker's job."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import structlog

from radir_node.domain.embedding import Encoded
from radir_node.domain.indexing import Outcome, StudyWork
from radir_node.domain.report import ReportText
from radir_node.domain.study import InstanceHeader, Modality, PreparedStudy, StudyState
from radir_node.encoders.protocol import RadiographEncoder, VolumeEncoder
from radir_node.errors import NotIndexable, TransientError
from radir_node.ingest.link_reports import read_report

if TYPE_CHECKING:
    from radir_node.catalog.report_linking import ReportLinking
    from radir_node.catalog.studies import Studies

log = structlog.get_logger()

Instances = Sequence[tuple[Path, InstanceHeader]]


class StudyReader(Protocol):
    """The DICOM side of indexing."""

    def prepare(self, instances: Instances) -> PreparedStudy: ...
    def reports(self, instances: Instances) -> tuple[Sequence[ReportText], Mapping[str, str]]:
        """Return the narrative reports, and SOP Instance UID -> reason for documents that yield none."""
        ...

    def save_preview(self, prepared: PreparedStudy, study_id: int) -> None: ...


@dataclass(frozen=True)
class Indexer:
    """The collaborators of the indexing job."""

    studies: "Studies"
    reports: "ReportLinking"
    reader: StudyReader
    radiographs: RadiographEncoder
    volumes: VolumeEncoder
    root: Path
    """Storage root."""

    def index(self, study_id: int) -> None:
        """Index a queued study, or put it back with a new job when something is away; nothing when it is not queued.

        Raises DatabaseDown: the same job must try again.
        """
        work = self.studies.start(study_id)
        if work is None:
            return
        self.reports.study_came(study_id)
        try:
            outcome = self._outcome(work)
            written = self.studies.finish(work, outcome)
        except TransientError as error:
            self.studies.postpone(study_id, str(error))
            log.warning("study_indexing_postponed", error=type(error).__name__)
            return
        except Exception as error:
            # Whatever this study holds must not stop the queue. The type is shown; the text may hold identifiers.
            self.studies.fail(study_id, f"unexpected {type(error).__name__} while indexing")
            raise
        log.info("study_indexing_done", state=outcome.state if written else "reopened", instances=len(work.instances))

    def _outcome(self, work: StudyWork) -> Outcome:
        instances = [(self.root / path, header) for path, header in work.instances]
        texts, unread = self.reader.reports(instances)
        reports = tuple((text, read_report(text.text)) for text in texts)
        prepared = self.reader.prepare(instances)
        model = (self.volumes if prepared.modality is Modality.CT else self.radiographs).version
        fresh, kept = _changed(prepared, {unit for unit, made_by in work.unchanged.items() if made_by == model.id})
        encoded, unencoded = self._encode(fresh, instances)
        reasons = {**unread, **unencoded}
        read = Outcome(StudyState.NOT_INDEXABLE, reports=reports, not_indexable=reasons)
        if not encoded and not kept:
            return replace(read, reason=summary(reasons))
        self.reader.save_preview(prepared, work.study_id)
        indexed = replace(read, state=StudyState.INDEXED, modality=prepared.modality, model=model, kept=kept)
        return replace(indexed, encoded=tuple(encoded))

    def _encode(self, prepared: PreparedStudy, instances: Instances) -> tuple[list[Encoded], Mapping[str, str]]:
        """Encode every image that can be; return the vectors, and SOP Instance UID -> reason for all others."""
        encoded, reasons = [], dict(prepared.not_indexable)
        for image in prepared.radiographs:
            try:
                encoded.append(self.radiographs.encode(image))
            except NotIndexable as error:
                reasons[image.sop_instance_uid] = str(error)
        for volume in prepared.volumes:
            try:
                encoded.append(self.volumes.encode(volume))
            except NotIndexable as error:
                members = [
                    h.sop_instance_uid for _, h in instances if h.series_instance_uid == volume.series_instance_uid
                ]
                reasons.update(dict.fromkeys(members, str(error)))
        return encoded, reasons


def _changed(prepared: PreparedStudy, unchanged: Collection[str]) -> tuple[PreparedStudy, frozenset[str]]:
    """Part what must be encoded from the units whose vectors stay: of a late instance, its own series is encoded."""
    radiographs = tuple(image for image in prepared.radiographs if image.sop_instance_uid not in unchanged)
    volumes = tuple(volume for volume in prepared.volumes if volume.series_instance_uid not in unchanged)
    units = {image.sop_instance_uid for image in prepared.radiographs}
    units |= {volume.series_instance_uid for volume in prepared.volumes}
    return replace(prepared, radiographs=radiographs, volumes=volumes), frozenset(units.intersection(unchanged))


def summary(reasons: Mapping[str, str]) -> str:
    """Say in one line why a study has nothing to index: the most frequent reasons with their counts."""
    counted = Counter(reasons.values()).most_common(3)
    return "; ".join(f"{reason} ({n} instances)" if n > 1 else reason for reason, n in counted) or "no image instance"
