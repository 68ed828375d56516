"""The anatomy nodes of the published annotation, and what they are in our vocabulary (method spec 4.5)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from radir_node.domain.study import Modality
from radir_node.errors import UserError

WHOLE = "whole report"
"""Name of the table that compares reports as wholes; the published node lists have none of that name."""


@dataclass(frozen=True, slots=True)
class AnatomyNode:
    """One node of the published lists."""

    name: str
    """As published; files are named by it."""
    studies: int
    """Train studies that mention it, as published."""
    keys: tuple[str, ...]
    """Anatomy keys; a tag at or below any of them belongs to the node. Empty where we have nothing for it."""
    reason: str = ""
    """Why there are none."""


@cache
def load_nodes(modality: Modality) -> tuple[AnatomyNode, ...]:
    """List the nodes of a modality in the published order: 109 for CXR, 48 for CT."""
    table = yaml.safe_load(resources.files(__package__).joinpath("nodes.yaml").read_text(encoding="utf-8"))
    return tuple(
        AnatomyNode(entry["name"], entry["studies"], tuple(entry["keys"] or ()), entry.get("reason", ""))
        for entry in table[modality.value.lower()]
    )


def chosen_nodes(modality: Modality, only: Collection[str] = ()) -> Sequence[AnatomyNode]:
    """List the nodes that can be annotated, or those of them that are asked for by name; WHOLE is not among them.

    Raises UserError for a name that is not on the list, or for which our vocabulary has nothing.
    """
    nodes = {node.name: node for node in load_nodes(modality)}
    for name in only:
        if name != WHOLE and name not in nodes:
            raise UserError(f"{name!r} is no node of the published {modality} list, nor {WHOLE!r}")
        if name != WHOLE and not nodes[name].keys:
            raise UserError(f"nothing can be annotated at {name!r}: {nodes[name].reason}")
    return tuple(node for node in nodes.values() if node.keys and (not only or node.name in only))
