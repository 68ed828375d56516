"""`radir user add`: local accounts of the pages."""

import sys
from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node
from radir_node.errors import UserError

app = typer.Typer(help="Local accounts of the pages.", no_args_is_help=True)

ROLES = ("viewer", "admin")
MIN_PASSWORD = 8


@app.callback()
def users() -> None:
    """Local accounts of the pages."""


@app.command()
def add(name: str, role: Annotated[str, typer.Option(help="viewer or admin")] = "viewer") -> None:
    """Make an account, or change its password; the password is read from standard input."""
    if role not in ROLES:
        raise UserError(f"--role: {role!r} is not one of {', '.join(ROLES)}")
    password = typer.prompt("Password", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < MIN_PASSWORD:
        raise UserError(f"the password must have at least {MIN_PASSWORD} characters")
    from radir_node.catalog.accounts import Accounts  # each verb imports only what it runs

    with opened_node() as node:
        Accounts(node.database).put(name, password, role)
    console.print(f"account {name} ({role})")
