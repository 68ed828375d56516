"""What the tables are made of: column types and the columns that recur. Used by tables.py alone."""

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.types import TypeDecorator, UserDefinedType

NAMING = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
}
metadata = sa.MetaData(naming_convention=NAMING)

WAITING = sa.text("state = 'waiting'")
"""Of deliveries and commitment results: the rows that a worker looks for."""


class Xid8(UserDefinedType[int]):
    """Postgres' 64-bit transaction id; compared in SQL, carried as text."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


class Float16Vector(TypeDecorator[NDArray[np.float16]]):
    """Float16 [512] as 1024 little-endian bytes (spec search 10)."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: NDArray[np.float16] | None, dialect: sa.Dialect) -> bytes | None:
        return None if value is None else value.astype("<f2").tobytes()

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> NDArray[np.float16] | None:
        return None if value is None else np.frombuffer(value, "<f2")


def identity(kind: type[sa.types.TypeEngine[int]] = sa.BigInteger) -> sa.Column[int]:
    return sa.Column("id", kind, sa.Identity(always=True), primary_key=True)


def text(name: str, **options: object) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="", **options)  # type: ignore[arg-type]


def code(name: str) -> sa.Column[str]:
    """A text compared byte by byte: its index answers equality, prefixes and order."""
    return sa.Column(name, sa.Text(collation="C"), nullable=False, server_default="")


def texts(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.ARRAY(sa.Text), nullable=False, server_default="{}")


def count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def required(name: str, kind: object = sa.Text, *rest: object) -> sa.Column[object]:
    return sa.Column(name, kind, *rest, nullable=False)  # type: ignore[arg-type]


def attempts() -> list[sa.Column[object]]:
    """Columns of something that is delivered to a peer, now or later."""
    return [
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        now("created_at"),
        now("next_attempt_at"),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
    ]


def study_key(index: bool = True) -> sa.Column[object]:
    reference = sa.ForeignKey("study.id", ondelete="CASCADE")
    return sa.Column("study_id", sa.BigInteger, reference, nullable=False, index=index)
