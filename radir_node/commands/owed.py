"""`radir deliveries` and `radir commitments`: what peers have not got yet, why, and the order to try it again."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from radir_node.commands.session import console, opened_node, print_json
from radir_node.errors import UserError

if TYPE_CHECKING:
    from radir_node.node.operator import Operator

deliveries = typer.Typer(help="Objects that are to be sent to peers.")
commitments = typer.Typer(help="Storage commitment reports that are owed to peers.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Ids = Annotated[list[int] | None, typer.Argument(help="Numbers of the list.", metavar="[ID]...")]
All = Annotated[bool, typer.Option("--all", help="Everything that was given up.")]


@deliveries.callback(invoke_without_command=True)
def list_deliveries(context: typer.Context, as_json: Json = False) -> None:
    """List what was not delivered: what was given up first, then what is tried again."""
    if context.invoked_subcommand is None:
        from radir_node.catalog.exchange import Exchange  # each verb imports only what it runs

        with opened_node() as node:
            _show(Exchange(node.database).deliveries(), "peer", "study_instance_uid", as_json)


@commitments.callback(invoke_without_command=True)
def list_commitments(context: typer.Context, as_json: Json = False) -> None:
    """List the reports that did not reach those who asked: what was given up first."""
    if context.invoked_subcommand is None:
        from radir_node.catalog.exchange import Exchange

        with opened_node() as node:
            _show(Exchange(node.database).reports(), "calling_ae_title", "instances", as_json)


@deliveries.command("retry")
def retry_deliveries(ids: Ids = None, everything: All = False) -> None:
    """Send what was given up after all."""
    with opened_node() as node:
        _say(_operator(node).retry_deliveries(_chosen(ids, everything)), ids, "delivery")


@commitments.command("retry")
def retry_commitments(ids: Ids = None, everything: All = False) -> None:
    """Bring reports that were given up to their peers after all."""
    with opened_node() as node:
        _say(_operator(node).retry_reports(_chosen(ids, everything)), ids, "report")


def _operator(node: Any) -> "Operator":
    from radir_node.node.operator import COMMAND_LINE, Operator

    return Operator(node, COMMAND_LINE)


def _chosen(ids: Sequence[int] | None, everything: bool) -> Sequence[int] | None:
    if bool(ids) == everything:
        raise UserError("say which: numbers of the list, or --all")
    return ids or None


def _say(revived: int, ids: Sequence[int] | None, kind: str) -> None:
    if ids and not revived:
        raise UserError(f"no such {kind} was given up")
    console.print(f"wait again: {revived}")


def _show(found: Sequence[Mapping[str, Any]], peer: str, subject: str, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    table = Table("ID", "Peer", "Of", "State", "Attempts", "Next try", "Reason", box=None)
    for row in found:
        again = f"{row['next_attempt_at']:%Y-%m-%d %H:%M:%S}" if row["state"] == "waiting" else "-"
        of = str(row[subject]) if subject != "instances" else f"{row[subject]} instances"
        table.add_row(str(row["id"]), row[peer], of, row["state"], str(row["attempts"]), again, row["reason"])
    console.print(table)
