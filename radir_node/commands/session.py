"""What every verb does first: read the settings, set up the log, open the node."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console

from radir_node.logs import configure
from radir_node.settings import Settings, load_settings

if TYPE_CHECKING:
    from radir_node.node.node import Node

console = Console(highlight=False, soft_wrap=True)


def configured() -> Settings:
    """Read the configuration in force and set up the log by it. Raises InvalidSetting."""
    settings = load_settings()
    configure(settings.logging.level)
    return settings


@contextmanager
def opened_node() -> Iterator["Node"]:
    """Yield the node of the configuration in force. Raises InvalidSetting or StorageFull."""
    from radir_node.node.node import Node  # the DICOM server forks lean processes, which never need it

    with Node(configured()) as node:
        yield node


def print_json(value: Any) -> None:
    """Print one JSON document on standard output, dates in ISO 8601."""
    console.out(json.dumps(value, indent=2, default=str), highlight=False)
