"""`radir user add`: accounts of people and of programs."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from radir_node.catalog.accounts import Accounts
from radir_node.catalog.database import Database
from radir_node.cli import app
from radir_node.errors import UserError

Radir = Callable[..., Result]


@pytest.mark.parametrize("role", ["viewer", "admin", "sender"])
def test_an_account_gets_the_role_that_is_named(radir: Radir, database: Database, role: str) -> None:
    """The password is the line on standard input; adding the account again changes both."""
    add(password="its first password")
    done = add("--role", role, password="its password")

    assert f"account ris ({role})" == done.stdout.strip()
    assert role == Accounts(database).role("ris", "its password")
    assert Accounts(database).role("ris", "its first password") is None


def test_a_role_that_is_none_is_refused(radir: Radir) -> None:
    """One line that names them all."""
    with pytest.raises(UserError, match="'owner' is not one of viewer, admin, sender"):
        radir("user", "add", "ris", "--role", "owner")


def add(*options: str, password: str) -> Result:
    """Run the verb of the settings that the radir fixture made."""
    return CliRunner().invoke(app, ["user", "add", "ris", *options], input=f"{password}\n")
