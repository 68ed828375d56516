"""One process of the node: everything it needs, built from the settings on first use and closed in reverse order."""

import datetime as dt
import sys
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import procrastinate

from radir_node.catalog import jobs
from radir_node.catalog.attempts import Backoff
from radir_node.catalog.cases import Cases
from radir_node.catalog.commitments import Commitments
from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database, open_database
from radir_node.catalog.deliveries import Deliveries
from radir_node.catalog.intake import Intake
from radir_node.catalog.migrate import ensure_secret, upgrade
from radir_node.catalog.procedure_steps import ProcedureSteps
from radir_node.catalog.query_retrieve import Holdings
from radir_node.catalog.report_inbox import ReportInbox
from radir_node.catalog.report_linking import ReportLinking
from radir_node.catalog.studies import Studies
from radir_node.catalog.transitions import QuietTimes
from radir_node.catalog.vectors import Vectors
from radir_node.domain.embedding import ModelVersion
from radir_node.domain.study import Modality
from radir_node.errors import InvalidSetting, StorageFull
from radir_node.settings import Settings

if TYPE_CHECKING:  # a process that only receives or answers queries loads neither FAISS nor models
    from radir_node.index.similarity import SimilarityIndex
    from radir_node.reports.display import SiteRules
    from radir_node.search.similar import Search

LEASE_MARGIN_SECONDS = 30.0
MODELS = {Modality.CXR: "cxr_starter", Modality.CT: "ct_densitometry"}
"""Folder in the model repository of each modality's encoder."""


class Node:
    """The collaborators of one process. Use as a context manager; what was opened is closed in reverse order."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.root = settings.storage.root.resolve()
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageFull(f"storage.root {self.root} cannot be made: {error.strerror}") from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closing.close()

    @cached_property
    def database(self) -> Database:
        """The migrated catalogue."""
        database = open_database(self.settings.database.url, self.root / "postgres")
        self._closing.callback(database.close)
        upgrade(database)
        return database

    @cached_property
    def secret(self) -> bytes:
        """Key of the pseudonyms."""
        return ensure_secret(self.database, "pseudonyms")

    @cached_property
    def job_app(self) -> procrastinate.App:
        return jobs.job_app(self.database.url)

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.database, self.job_app, self.secret, self.quiet_times, self.settings.dicom.duplicate_policy)

    @cached_property
    def report_inbox(self) -> ReportInbox:
        return ReportInbox(self.database, self.job_app, self.settings.reports.keep_messages)

    @cached_property
    def report_linking(self) -> ReportLinking:
        return ReportLinking(self.database, self.job_app)

    @property
    def backoff(self) -> Backoff:
        """When what is owed to peers is tried; an attempt ends before its lease does."""
        return Backoff(lease=dt.timedelta(seconds=self.settings.dicom.timeouts.response_seconds + LEASE_MARGIN_SECONDS))

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.database, self.job_app, self.backoff)

    @cached_property
    def commitments(self) -> Commitments:
        return Commitments(self.database, self.job_app, self.root, backoff=self.backoff)

    @cached_property
    def procedure_steps(self) -> ProcedureSteps:
        return ProcedureSteps(self.database)

    @cached_property
    def completion(self) -> CompletionTracker:
        force_after = dt.timedelta(seconds=self.settings.dicom.force_seconds)
        return CompletionTracker(self.database, self.job_app, self.quiet_times, force_after)

    @property
    def quiet_times(self) -> QuietTimes:
        dicom = self.settings.dicom
        return QuietTimes(dicom.quiet_seconds_radiograph, dicom.quiet_seconds_ct)

    @cached_property
    def studies(self) -> Studies:
        return Studies(self.database, self.job_app, (jobs.PUSH,) if self.settings.dicom.push_to else ())

    @cached_property
    def cases(self) -> Cases:
        return Cases(self.database)

    @cached_property
    def holdings(self) -> Holdings:
        return Holdings(self.database)

    @cached_property
    def vectors(self) -> Vectors:
        return Vectors(self.database)

    @cached_property
    def index(self) -> "SimilarityIndex":
        from radir_node.index.similarity import SimilarityIndex

        return SimilarityIndex(self.vectors, self.index_folder)

    @property
    def index_folder(self) -> Path:
        return self.root / "index"

    @property
    def preview_folder(self) -> Path:
        return self.root / "previews"

    @cached_property
    def model_repository(self) -> Path:
        """The configured folder of models, else the one that came with the checkout or the installation."""
        named = self.settings.encoders.repository
        folder = Path(named) if named else shipped_models()
        if not folder.is_dir():
            raise InvalidSetting(f"encoders.repository: {folder} is not a folder")
        return folder

    @cached_property
    def models(self) -> dict[Modality, ModelVersion]:
        from radir_node.encoders.models import model_version

        return {modality: model_version(self.model_repository / name) for modality, name in MODELS.items()}

    @cached_property
    def site_rules(self) -> "SiteRules":
        """What this site settles for the sentences that it shows. Raises InvalidSetting."""
        from radir_node.reports.dates import DateOrder
        from radir_node.reports.display import SiteRules
        from radir_node.reports.presidio import presidio_recognizer

        reports = self.settings.reports
        order = DateOrder(reports.date_order) if reports.date_order else None
        return SiteRules(order, presidio_recognizer() if reports.recognizer == "presidio" else None)

    @cached_property
    def search(self) -> "Search":
        from radir_node.search.similar import Search

        return Search(self.cases, self.vectors, self.index, self.models, self.site_rules)


def shipped_models() -> Path:
    """Return the folder of models that came with the checkout or the installation."""
    checkout = Path(__file__).resolve().parents[2] / "triton_models"
    return checkout if checkout.is_dir() else Path(sys.prefix) / "share" / "radir-node" / "triton_models"
