"""The tables as SQLAlchemy sees them; sql/migrations creates them, tests/catalog proves the two equal."""

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.dialects.postgresql import JSONB
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


def _id(kind: type[sa.types.TypeEngine[int]] = sa.BigInteger) -> sa.Column[int]:
    return sa.Column("id", kind, sa.Identity(always=True), primary_key=True)


def _text(name: str, **options: object) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="", **options)  # type: ignore[arg-type]


def _code(name: str) -> sa.Column[str]:
    """A text compared byte by byte: its index answers equality, prefixes and order."""
    return sa.Column(name, sa.Text(collation="C"), nullable=False, server_default="")


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0")


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _required(name: str, kind: object = sa.Text, *rest: object) -> sa.Column[object]:
    return sa.Column(name, kind, *rest, nullable=False)  # type: ignore[arg-type]


def _attempts() -> list[sa.Column[object]]:
    """Columns of something that is delivered to a peer, now or later."""
    return [
        sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        _now("created_at"),
        _now("next_attempt_at"),
        sa.Column("leased_until", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
    ]


def _study_key(index: bool = True) -> sa.Column[object]:
    reference = sa.ForeignKey("study.id", ondelete="CASCADE")
    return sa.Column("study_id", sa.BigInteger, reference, nullable=False, index=index)


study = sa.Table(
    "study",
    metadata,
    _id(),
    sa.Column("study_instance_uid", sa.Text, nullable=False, unique=True),
    sa.Column("case_id", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False, server_default="receiving", index=True),
    _text("reason"),
    _text("modality"),
    _required("patient_code", sa.BigInteger),
    _code("patient_id"),
    _code("issuer_of_patient_id"),
    _text("patient_name"),
    _code("patient_name_key"),
    sa.Column("patient_birth_date", sa.Date),
    _text("patient_sex"),
    sa.Column("patient_age_years", sa.Double),
    _text("study_id"),
    sa.Column("study_date", sa.Date),
    _code("study_time"),
    _code("accession_number"),
    _text("study_description"),
    _text("referring_physician_name"),
    sa.Column("procedure_code_sequence", JSONB, nullable=False, server_default="[]"),
    _now("first_received_at"),
    _now("last_received_at"),
    sa.Column("indexed_at", sa.DateTime(timezone=True)),
    _count("number_of_instances"),
    _text("completion"),
    _text("evidence"),
    _now("opened_at"),
    sa.Column("expected_instances", sa.Integer),
    _count("times_asked"),
    sa.Index("ix_study_patient", "patient_id", "issuer_of_patient_id", "id"),
    sa.Index("ix_study_patient_name_key", "patient_name_key"),
    sa.Index("ix_study_accession_number", "accession_number"),
    sa.Index("ix_study_study_date", "study_date", "id"),
)

series = sa.Table(
    "series",
    metadata,
    _id(),
    _study_key(index=False),
    sa.Column("series_instance_uid", sa.Text, nullable=False, index=True),
    _text("modality"),
    sa.Column("series_number", sa.Integer),
    _text("series_description"),
    _text("body_part_examined"),
    _count("number_of_instances"),
    _text("indexed_content"),
    sa.UniqueConstraint("study_id", "series_instance_uid"),
)

instance = sa.Table(
    "instance",
    metadata,
    _id(),
    _required("series_id", sa.BigInteger, sa.ForeignKey("series.id", ondelete="CASCADE")),
    _required("sop_instance_uid"),
    _required("sop_class_uid"),
    _required("transfer_syntax_uid"),
    sa.Column("instance_number", sa.Integer),
    sa.Column("rows", sa.Integer),
    sa.Column("columns", sa.Integer),
    sa.Column("number_of_frames", sa.Integer),
    _required("path"),
    _required("size_bytes", sa.BigInteger),
    _required("sha256"),
    _text("calling_ae_title"),
    _now("received_at"),
    sa.Column("is_current", sa.Boolean, nullable=False, server_default=sa.true()),
    _text("reason"),
    sa.Index("ix_instance_series_id", "series_id"),
)
sa.Index("uq_instance_current", instance.c.sop_instance_uid, unique=True, postgresql_where=instance.c.is_current)
sa.Index("ix_instance_replaced", instance.c.sop_instance_uid, postgresql_where=~instance.c.is_current)
sa.Index(
    "ix_instance_reason",
    instance.c.reason,
    postgresql_where=instance.c.is_current & (instance.c.reason != sa.literal_column("''")),
)

refusal = sa.Table(
    "refusal",
    metadata,
    _id(),
    _now("at"),
    _text("calling_ae_title"),
    _text("sop_class_uid"),
    _required("reason"),
    sa.Column("times", sa.BigInteger, nullable=False, server_default="1"),
    _now("first_at"),
    sa.UniqueConstraint("reason", "calling_ae_title", "sop_class_uid"),
)

announcement = sa.Table(
    "announcement",
    metadata,
    sa.Column("study_instance_uid", sa.Text, primary_key=True),
    sa.Column("evidence", sa.Text, primary_key=True),
    _required("sop_instance_uids", sa.ARRAY(sa.Text)),
    _now("at"),
)

mpps = sa.Table(
    "mpps",
    metadata,
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    _required("state"),
    sa.Column("study_instance_uids", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    _text("calling_ae_title"),
    _required("dataset", sa.LargeBinary),
    _now("created_at"),
    _now("updated_at"),
)
sa.Index(
    "ix_mpps_study_instance_uids",
    mpps.c.study_instance_uids,
    postgresql_using="gin",
    postgresql_where=mpps.c.state == sa.literal_column("'IN PROGRESS'"),
)

commitment = sa.Table(
    "commitment",
    metadata,
    _id(),
    _required("transaction_uid"),
    _required("calling_ae_title"),
    _required("items", JSONB),
    sa.Column("duplicate", sa.Boolean, nullable=False, server_default=sa.false()),
    *_attempts(),
)
sa.Index(
    "uq_commitment_transaction",
    commitment.c.calling_ae_title,
    commitment.c.transaction_uid,
    unique=True,
    postgresql_where=~commitment.c.duplicate,
)
sa.Index("ix_commitment_due", commitment.c.next_attempt_at, postgresql_where=WAITING)

report = sa.Table(
    "report",
    metadata,
    _id(),
    _study_key(),
    _required("sop_instance_uid"),
    _text("title"),
    _required("text"),
    _required("parser_version"),
    _now("parsed_at"),
    sa.UniqueConstraint("study_id", "sop_instance_uid"),
)

report_tag = sa.Table(
    "report_tag",
    metadata,
    _id(),
    sa.Column("report_id", sa.BigInteger, sa.ForeignKey("report.id", ondelete="CASCADE"), nullable=False, index=True),
    _required("finding"),
    _required("anatomy"),
    _required("status"),
    _required("span_start", sa.Integer),
    _required("span_end", sa.Integer),
    _required("sentence_start", sa.Integer),
    _required("sentence_end", sa.Integer),
    _required("rule"),
)

model_version = sa.Table(
    "model_version",
    metadata,
    _id(sa.Integer),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _required("modality"),
    _required("sha256"),
    _required("preprocessing"),
    _text("licence"),
)

embedding = sa.Table(
    "embedding",
    metadata,
    _id(),
    _required("model_version_id", sa.Integer, sa.ForeignKey("model_version.id")),
    _study_key(),
    _required("unit_uid"),
    _required("anatomy"),
    _required("vec", Float16Vector),
    sa.UniqueConstraint("study_id", "model_version_id", "unit_uid", "anatomy"),
)

measure = sa.Table(
    "measure",
    metadata,
    sa.Column("study_id", sa.BigInteger, sa.ForeignKey("study.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("unit_uid", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    _required("value", sa.Double),
)

index_change = sa.Table(
    "index_change",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("tx", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()"), index=True),
    _required("op"),
    _required("embedding_id", sa.BigInteger),
)

index_snapshot = sa.Table(
    "index_snapshot",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _required("state"),
    _required("watermark", Xid8),
    _required("row_count", sa.BigInteger),
    _required("manifest_sha256"),
    _now("built_at"),
    sa.Column("verified_at", sa.DateTime(timezone=True)),
    sa.Column("probe_recall", sa.Double),
)
sa.Index(
    "uq_index_snapshot_active",
    index_snapshot.c.state,
    unique=True,
    postgresql_where=index_snapshot.c.state == sa.literal_column("'active'"),
)

issued_sr = sa.Table(
    "issued_sr",
    metadata,
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    _required("series_instance_uid"),
    _study_key(),
    _required("path"),
    _now("issued_at"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    _id(),
    _study_key(),
    _required("sop_instance_uid"),
    _required("peer"),
    _text("path"),
    *_attempts(),
    _text("transaction_uid"),
    sa.Column("confirmed_at", sa.DateTime(timezone=True)),
    sa.UniqueConstraint("sop_instance_uid", "peer"),
)
sa.Index(
    "ix_delivery_transaction_uid",
    delivery.c.transaction_uid,
    postgresql_where=delivery.c.transaction_uid != sa.literal_column("''"),
)
sa.Index("ix_delivery_due", delivery.c.peer, delivery.c.next_attempt_at, postgresql_where=WAITING)

account = sa.Table(
    "account",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _required("password_hash"),
    _required("role"),
)

disclosure = sa.Table(
    "disclosure",
    metadata,
    _id(),
    _now("at"),
    _required("actor"),
    _required("query_study_id", sa.BigInteger),
    _required("disclosed_study_id", sa.BigInteger),
)

operator_action = sa.Table(
    "operator_action",
    metadata,
    _id(),
    _now("at"),
    _required("actor"),
    _required("action"),
    sa.Column("study_id", sa.BigInteger),
    _text("peer"),
    _text("outcome"),
)

node_secret = sa.Table(
    "node_secret", metadata, sa.Column("name", sa.Text, primary_key=True), _required("value", sa.LargeBinary)
)
