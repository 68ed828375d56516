"""A catalogue with the collaborators that the receive path and the worker use."""

import datetime as dt
from collections.abc import Callable

import procrastinate
import pytest
import sqlalchemy as sa

from radir_node.catalog.completion import CompletionTracker
from radir_node.catalog.database import Database
from radir_node.catalog.intake import Intake
from radir_node.catalog.jobs import job_app
from radir_node.catalog.studies import Studies
from radir_node.catalog.transitions import QuietTimes
from radir_node.domain.stored import StoredInstance
from radir_node.domain.study import InstanceHeader

SECRET = b"0123456789abcdef0123456789abcdef"


@pytest.fixture
def app(database: Database) -> procrastinate.App:
    return job_app(database.url)


@pytest.fixture
def intake(database: Database, app: procrastinate.App) -> Intake:
    """An intake whose studies may settle at once."""
    return Intake(database, app, SECRET, QuietTimes(0, 0))


@pytest.fixture
def completion(database: Database, app: procrastinate.App) -> CompletionTracker:
    """For it a study is quiet at once."""
    return CompletionTracker(database, app, QuietTimes(0, 0))


@pytest.fixture
def patient_completion(database: Database, app: procrastinate.App) -> CompletionTracker:
    """For it a study is quiet after half an hour without an instance."""
    return CompletionTracker(database, app, QuietTimes(1800, 1800))


@pytest.fixture
def studies(database: Database, app: procrastinate.App) -> Studies:
    return Studies(database, app)


@pytest.fixture
def stored() -> Callable[..., StoredInstance]:
    """Make a stored instance; header fields by keyword, sha256 by `sha256=`."""

    def make(sop: str = "1.2.3", study: str = "1.2", sha256: str = "a", **header: object) -> StoredInstance:
        fields = {"modality": "DX", "patient_id": "P1", "patient_name": "DOE^JANE", **header}
        described = InstanceHeader(
            sop, "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.1.2.1", study, f"{study}.1", **fields
        )  # type: ignore[arg-type]
        return StoredInstance(described, f"instances/{sha256}.dcm", 10, sha256, "MODALITY", dt.datetime.now(dt.UTC))

    return make


@pytest.fixture
def queued(database: Database) -> Callable[[], list[tuple[str, int]]]:
    """List (task, study) of every job that waits."""

    def listing() -> list[tuple[str, int]]:
        statement = (
            "select task_name, (args->>'study')::int from jobs.procrastinate_jobs where status = 'todo' order by id"
        )
        with database.begin() as connection:
            return [(row[0], row[1]) for row in connection.execute(sa.text(statement))]

    return listing
