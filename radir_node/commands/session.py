"""What every verb does first: read the settings, set up the log, open the node."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from radir_node.logs import configure
from radir_node.node.node import Node
from radir_node.settings import load_settings

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def opened_node() -> Iterator[Node]:
    """Yield the node of the configuration in force. Raises InvalidSetting or StorageFull."""
    settings = load_settings()
    configure(settings.logging.level)
    with Node(settings) as node:
        yield node


def print_json(value: Any) -> None:
    """Print one JSON document on standard output, dates in ISO 8601."""
    console.out(json.dumps(value, indent=2, default=str), highlight=False)
