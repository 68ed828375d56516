"""`radir status`: is the node ready, and what does it hold? Also the ping of /-/health."""

from collections.abc import Mapping
from typing import Any

from dicom_services.scp.storage.backlog import Backlog, backlog
from radir_node.catalog.exchange import Exchange
from radir_node.catalog.jobs import queue_depth, worker_lives
from radir_node.errors import DatabaseDown, RadirError, StorageFull
from radir_node.node.node import Node
from radir_node.node.run_files import answers


def status(node: Node) -> Mapping[str, Any]:
    """Return the documented JSON of `radir status`. Raises DatabaseDown, which says how much waits for it."""
    waiting = unregistered(node)
    try:
        counts = node.studies.counts()
        with node.database.begin() as connection:
            depth, _, _ = queue_depth(connection)
        messages = {state.value: n for state, n in node.report_inbox.counts().items()}
        owed = Exchange(node.database).owed()
    except DatabaseDown as error:
        held = f"; {waiting.objects} acknowledged objects wait for it in the spool" if waiting.objects else ""
        raise DatabaseDown(f"{error}{held}") from error
    return {
        "ready": all(ready(node).values()),
        **counts,
        "report_messages": messages,
        "queue": depth,
        "unregistered": waiting.objects,
        "quarantined": waiting.quarantined,
        "reports_waiting": owed.reports_waiting,
        "reports_dead": owed.reports_dead,
        "deliveries_waiting": owed.deliveries_waiting,
        "deliveries_dead": owed.deliveries_dead,
    }


def unregistered(node: Node) -> Backlog:
    """Count what was acknowledged and is not in the catalogue. Raises StorageFull when the root cannot be read."""
    try:
        return backlog(node.root)
    except OSError as error:
        raise StorageFull(f"the spool below {node.root} cannot be read: {error.strerror}") from error


def ready(node: Node) -> Mapping[str, bool]:
    """Ping each part; a part that raises does not answer."""
    checks = {
        "database": lambda: _connects(node),
        "storage": node.root.is_dir,
        "scp": lambda: answers(node.root, "scp"),
        "worker": lambda: worker_lives(node.database),
        "web": lambda: answers(node.root, "web"),
    }
    return {name: _holds(check) for name, check in checks.items()}


def _connects(node: Node) -> bool:
    with node.database.begin():  # the pool pings the server before it lends a connection
        return True


def _holds(check: Any) -> bool:
    try:
        return bool(check())
    except RadirError:
        return False
