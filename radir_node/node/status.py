"""`radir status`: is the node ready, and what does it hold? Also the ping of /-/health."""

from collections.abc import Mapping
from typing import Any

from radir_node.catalog.jobs import queue_depth, worker_lives
from radir_node.errors import RadirError
from radir_node.node.node import Node
from radir_node.node.run_files import answers


def status(node: Node) -> Mapping[str, Any]:
    """Return the documented JSON of `radir status`. Raises DatabaseDown."""
    counts = node.studies.counts()
    with node.database.begin() as connection:
        depth, _, _ = queue_depth(connection)
    return {"ready": all(ready(node).values()), **counts, "queue": depth}


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
