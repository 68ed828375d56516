"""`radir user add`: local accounts of people and of programs that send reports."""

import sys
from typing import Annotated

import typer

from radir_node.commands.session import console, opened_node
from radir_node.errors import UserError

app = typer.Typer(help="Local accounts of people and programs.", no_args_is_help=True)

ROLES = ("viewer", "admin", "sender")
ROLE_HELP = "viewer, admin, or sender: a program that submits reports and sees nothing"
MIN_PASSWORD = 8


@app.callback()
def users() -> None:
    """Local accounts of people and programs."""


@app.command()
def add(name: str, role: Annotated[str, typer.Option(help=ROLE_HELP)] = "viewer") -> None:
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
