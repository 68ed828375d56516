"""The virtual series "RadIR similar cases" of every indexed study: named without computing, made when it is retrieved.

Implements dicom_services.scp.ports.SimilarCasesPort; also behind `radir sr`, the pages' download and the push job.
"""

import datetime as dt
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import structlog

from dicom_services.objects.stored_object import describe
from dicom_services.privacy import silence_libraries
from dicom_services.scp.ports import StoredObject, VirtualSeries
from dicom_services.scu.caller import Caller
from dicom_services.scu.send import send_files
from dicom_services.sr import uids
from dicom_services.sr.content import NodeIdentity
from radir_node import __version__
from radir_node.catalog.deliveries import Deliveries
from radir_node.domain.embedding import GLOBAL
from radir_node.domain.match import Query, SimilarCases
from radir_node.errors import PeerUnavailable, StorageFull, UnknownStudy
from radir_node.node.node import Node
from radir_node.node.peers import peer_named

log = structlog.get_logger()

NODE_NAME = "RadIR node"
FOLDER = "results"
"""Under the storage root: every report that was ever handed out, so that the same UID always means the same bytes."""


@dataclass(frozen=True)
class SimilarSeries:
    """Makes and keeps Structured Reports of similar cases."""

    node: Node
    deliveries: Deliveries

    @classmethod
    def of(cls, node: Node) -> Self:
        silence_libraries()  # pydicom's warnings quote header values
        return cls(node, node.deliveries)

    def series_of_many(self, study_instance_uids: Collection[str]) -> dict[str, VirtualSeries]:
        cases = self.node.cases.by_uids(study_instance_uids)
        searchable = {uid: case.modality for uid, case in cases.items() if case.has_vectors and case.modality}
        snapshots = self.node.search.snapshot_ids(GLOBAL) if searchable else {}
        return {
            uid: self._series(uid, self.node.models[modality].id, snapshots[modality])
            for uid, modality in searchable.items()
            if modality in snapshots
        }

    def _series(self, study_instance_uid: str, model_id: str, snapshot_id: str) -> VirtualSeries:
        question = self._question(study_instance_uid)
        return VirtualSeries(
            study_instance_uid=study_instance_uid,
            series_instance_uid=uids.series_uid(study_instance_uid),
            sop_instance_uid=uids.instance_uid(question, GLOBAL, model_id, snapshot_id),
            sop_class_uid=uids.SOP_CLASS_UID,
            series_number=uids.SERIES_NUMBER,
            series_description=uids.SERIES_DESCRIPTION,
        )

    def render(self, study_instance_uid: str) -> Path:
        return self.document(self._question(study_instance_uid), "dicom")

    def issued(self, sop_instance_uid: str) -> StoredObject | None:
        known = self.node.holdings.issued(sop_instance_uid)
        return describe(self.node.root / str(known["path"])) if known else None

    def _question(self, study_instance_uid: str) -> Query:
        return Query(study_instance_uid, GLOBAL, self.node.settings.search.k)

    def document(self, query: Query, actor: str) -> Path:
        """Return the report file that answers a query, made now or found again. Raises UserError, StorageFull."""
        answer = self.node.search.similar(query)
        self.node.search.disclose(actor, answer)
        uid = uids.instance_uid(query, answer.anatomy_used, answer.model_id, answer.snapshot_id)
        issued = self.node.holdings.issued(uid)
        path = self.node.root / str(issued["path"]) if issued else None
        if path is not None and path.is_file():
            return path
        return self._write(uid, answer)

    def _write(self, uid: str, answer: SimilarCases) -> Path:
        study_uid = answer.query.study_instance_uid
        case = self.node.cases.by_uid(study_uid)
        if case is None:
            raise UnknownStudy("the study was removed while its report was made")
        relative = Path(
            FOLDER, f"{uid}.{secrets.token_hex(4)}.dcm"
        )  # two that race must not replace each other's bytes
        device = NodeIdentity(NODE_NAME, __version__, uids.device_uid(NODE_NAME, __version__, answer.model_id))
        from dicom_services.sr.document import write_similar_cases  # needs highdicom; most processes write no report

        try:
            (self.node.root / FOLDER).mkdir(exist_ok=True)
            images = self.node.studies.encoded_images(case.id)
            now = dt.datetime.now(dt.UTC)
            write_similar_cases(answer, images, self.node.root / relative, device=device, computed=now)
        except OSError as error:
            raise StorageFull(f"a report cannot be written to {self.node.root / FOLDER}: {error.strerror}") from error
        kept = self.node.holdings.remember(uid, uids.series_uid(study_uid), case.id, relative.as_posix())
        if kept != relative.as_posix():
            if (self.node.root / kept).is_file():
                (self.node.root / relative).unlink(missing_ok=True)
            else:  # the file handed out before was lost; its place is taken
                (self.node.root / relative).replace(self.node.root / kept)
        return self.node.root / kept

    def push(self, study_id: int) -> None:
        """Let the report of an indexed study be sent to the configured PACS, once."""
        peer = self.node.settings.dicom.push_to
        case = self.node.cases.by_id(study_id)
        if not peer or case is None or not case.has_vectors:
            return
        path = self.render(case.study_instance_uid)
        uid = path.name.rsplit(".", 2)[0]  # <SOP Instance UID>.<random>.dcm
        if self.deliveries.queue(study_id, uid, path.relative_to(self.node.root).as_posix(), peer):
            log.info("similar_cases_queued", peer=peer)

    def send(self, path: Path, peer: str) -> None:
        """Send a report to a peer of the configuration. Raises InvalidSetting or PeerUnavailable."""
        dicom = self.node.settings.dicom
        result = send_files(peer_named(dicom, peer), [path], Caller.of(dicom))
        if result.failed:
            status = result.outcomes[0][1]
            raise PeerUnavailable(f"{peer} did not take the report: C-STORE status 0x{status:04X}")
