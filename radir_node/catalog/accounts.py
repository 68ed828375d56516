"""Local accounts of the pages: argon2 hashes in the catalogue."""

from dataclasses import dataclass
from functools import cache

import argon2
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import account

_HASHER = argon2.PasswordHasher()


@cache
def _decoy() -> str:
    """Return a hash to verify against when there is no account, so that both failures take as long."""
    return _HASHER.hash("no account has this password")


@dataclass(frozen=True)
class Accounts:
    """People who may log in."""

    database: Database

    def put(self, name: str, password: str, role: str) -> None:
        """Make the account, or change its password and role."""
        values = {"password_hash": _HASHER.hash(password), "role": role}
        statement = insert(account).values(name=name, **values)
        with self.database.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=[account.c.name], set_=values))

    def role(self, name: str, password: str) -> str | None:
        """Return the role when name and password are right, else None, in the same time for both."""
        with self.database.begin() as connection:
            row = connection.execute(sa.select(account).where(account.c.name == name)).one_or_none()
        try:
            _HASHER.verify(row.password_hash if row else _decoy(), password)
        except argon2.exceptions.VerificationError:
            return None
        return str(row.role) if row else None
