"""The node as the pages see it: implements radir_node.web.ports.UseCases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

from radir_node.catalog.accounts import Accounts
from radir_node.catalog.cases import Case
from radir_node.domain import anatomy
from radir_node.domain.match import Query, SimilarCases
from radir_node.domain.received_report import Channel, Submission
from radir_node.domain.report import Status
from radir_node.errors import UnknownStudy, UnreadableReport
from radir_node.node.dicom_report import dicom_state
from radir_node.node.health import HealthReport
from radir_node.node.node import Node
from radir_node.node.operator import Operator
from radir_node.node.reader import preview_path
from radir_node.node.report_sources import put_payload, submissions
from radir_node.node.report_state import ReportChannels
from radir_node.node.scales import Scales
from radir_node.node.similar_series import SimilarSeries
from radir_node.node.status import ready
from radir_node.reports.display import finding_labels
from radir_node.search.similar import report_note
from radir_node.web.dicom_state import DicomState
from radir_node.web.ports import AnatomyChoice, Health, MatchScale, Role, StudyCard, User
from radir_node.web.report_state import ReportState

ACTOR = "pages:{user}"
"""Who saw a case or did something, in the rows of the audit."""


@dataclass(frozen=True)
class Pages:
    """Sync use cases, called from the web server's threads."""

    node: Node
    accounts: Accounts
    series: SimilarSeries
    health_report: HealthReport
    scales: Scales
    channels: ReportChannels

    @classmethod
    def of(cls, node: Node) -> Self:
        return cls(
            node,
            Accounts(node.database),
            SimilarSeries.of(node),
            HealthReport(node),
            Scales(node),
            ReportChannels(node),
        )

    def authenticate(self, username: str, password: str) -> User | None:
        role = self.accounts.role(username, password)
        return User(username, cast(Role, role)) if role else None

    def lookup(self, *, study_uid: str = "", accession: str = "") -> StudyCard | None:
        found = self.node.cases.by_uid(study_uid) if study_uid else self.node.cases.by_accession(accession)
        return self._card(found) if found and (study_uid or accession) else None

    def study(self, case_id: str) -> StudyCard | None:
        found = self.node.cases.by_case_id(case_id)
        return self._card(found) if found else None

    def recent(self, limit: int) -> Sequence[StudyCard]:
        return [self._card(found) for found in self.node.cases.recent(limit)]

    def similar(self, query: Query, user: str) -> SimilarCases:
        answer = self.node.search.similar(query)
        self.node.search.disclose(ACTOR.format(user=user), answer)
        return answer

    def scale(self, similar: SimilarCases) -> MatchScale:
        return self.scales.of(similar)

    def preview(self, study_instance_uid: str) -> bytes | None:
        found = self.node.cases.by_uid(study_instance_uid)
        path = preview_path(self.node.preview_folder, found.id) if found else None
        return path.read_bytes() if path and path.is_file() else None

    def report_sentences(self, study_instance_uid: str, anatomy: str) -> tuple[str, ...]:
        found = self.node.cases.by_uid(study_instance_uid)
        return self.node.search.sentences(found, anatomy) if found else ()

    def sr(self, query: Query, user: str) -> bytes:
        return self.series.document(query, ACTOR.format(user=user)).read_bytes()

    def health(self) -> Health:
        return self.health_report.now()

    def dicom(self) -> DicomState:
        return dicom_state(self.node)

    def echo(self, peer: str, user: str) -> float:
        return self._operator(user).echo(peer)

    def complete(self, case_id: str, user: str) -> None:
        self._operator(user).complete(self._uid(case_id))

    def reopen(self, case_id: str, user: str) -> None:
        self._operator(user).reopen(self._uid(case_id))

    def retry_deliveries(self, ids: Sequence[int] | None, user: str) -> int:
        return self._operator(user).retry_deliveries(ids)

    def retry_reports(self, ids: Sequence[int] | None, user: str) -> int:
        return self._operator(user).retry_reports(ids)

    def reports(self) -> ReportState:
        return self.channels.now()

    def submit_report(self, key: str, body: bytes, content_type: str, user: str) -> None:
        self._submit(Channel.REST, put_payload(key, body, content_type), user)

    def submit_fhir(self, body: bytes, user: str) -> None:
        self._submit(Channel.FHIR, body, user)

    def replay_reports(self, ids: Sequence[int] | None, user: str) -> int:
        return self._operator(user).replay_reports(ids)

    def discard_reports(self, ids: Sequence[int], user: str) -> int:
        return self._operator(user).discard_reports(ids)

    def ready(self) -> Mapping[str, bool]:
        return ready(self.node)

    def _submit(self, channel: Channel, payload: bytes, source: str) -> None:
        """The name of the account is the name of the source."""
        try:
            said = submissions(channel, payload, source, self.node.settings.reports)
        except UnreadableReport as error:
            self.node.report_inbox.accept([Submission(channel, source, payload, reason=str(error))])
            raise
        self.node.report_inbox.accept(said)

    def _operator(self, user: str) -> Operator:
        return Operator(self.node, ACTOR.format(user=user))

    def _uid(self, case_id: str) -> str:
        found = self.node.cases.by_case_id(case_id)
        if found is None:
            raise UnknownStudy("This study is no longer on the node.")
        return found.study_instance_uid

    def _card(self, case: Case) -> StudyCard:
        tags = [tag for report in case.reports for tag in report.tags]
        model = self.node.models.get(case.modality) if case.modality else None
        spoken_of = {tag.anatomy for tag in tags if tag.status in (Status.PRESENT, Status.UNCERTAIN)}
        return StudyCard(
            case_id=case.case_id,
            study_instance_uid=case.study_instance_uid,
            modality=case.modality,
            study_date=case.study_date,
            age_years=case.age_years,
            sex=case.sex,
            state=case.state,
            reason=case.reason,
            searchable=case.has_vectors,
            has_preview=preview_path(self.node.preview_folder, case.id).is_file(),
            has_report=bool(case.reports),
            report_note=report_note(case),
            findings=finding_labels(tags),
            anatomies=tuple(
                AnatomyChoice(key, anatomy.label(key), any(anatomy.is_at_or_below(said, key) for said in spoken_of))
                for key in (model.anatomies if model else ())
            ),
            completion=case.completion,
        )
