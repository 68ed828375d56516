"""`radir deliveries` and `radir commitments`: what peers have not got yet, why, and the order to try it again."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from radir_node.commands.orders import Ids, chosen, command_line_operator
from radir_node.commands.session import console, opened_node, print_json
from radir_node.errors import UserError

deliveries = typer.Typer(help="Objects that are to be sent to peers.")
commitments = typer.Typer(help="Storage commitment reports that are owed to peers.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
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
        _say(command_line_operator(node).retry_deliveries(chosen(ids, everything)), ids, "delivery")


@commitments.command("retry")
def retry_commitments(ids: Ids = None, everything: All = False) -> None:
    """Bring reports that were given up to their peers after all."""
    with opened_node() as node:
        _say(command_line_operator(node).retry_reports(chosen(ids, everything)), ids, "report")


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
