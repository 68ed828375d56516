"""What the verbs share by which an operator gives orders about things of a list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from radir_node.errors import UserError

if TYPE_CHECKING:
    from radir_node.node.node import Node
    from radir_node.node.operator import Operator

Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of the list.", metavar="[ID]...")]


def command_line_operator(node: "Node") -> "Operator":
    """Return who acts, for the audit."""
    from radir_node.node.operator import COMMAND_LINE, Operator  # only the verbs that act pay for it

    return Operator(node, COMMAND_LINE)


def chosen(ids: Sequence[int] | None, everything: bool) -> Sequence[int] | None:
    """Return the numbers, or None for all. Raises UserError when neither or both were said."""
    if bool(ids) == everything:
        raise UserError("say which: numbers of the list, or --all")
    return ids or None
