"""The tables as SQLAlchemy sees them; sql/migrations creates them, tests/catalog proves the two equal."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from radir_node.catalog.columns import (
    WAITING,
    Float16Vector,
    Xid8,
    attempts,
    code,
    count,
    identity,
    metadata,
    now,
    required,
    study_key,
    text,
    texts,
)

study = sa.Table(
    "study",
    metadata,
    identity(),
    sa.Column("study_instance_uid", sa.Text, nullable=False, unique=True),
    sa.Column("case_id", sa.Text, nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False, server_default="receiving", index=True),
    text("reason"),
    text("modality"),
    required("patient_code", sa.BigInteger),
    code("patient_id"),
    code("issuer_of_patient_id"),
    text("patient_name"),
    code("patient_name_key"),
    sa.Column("patient_birth_date", sa.Date),
    text("patient_sex"),
    sa.Column("patient_age_years", sa.Double),
    text("study_id"),
    sa.Column("study_date", sa.Date),
    code("study_time"),
    code("accession_number"),
    text("study_description"),
    text("referring_physician_name"),
    sa.Column("procedure_code_sequence", JSONB, nullable=False, server_default="[]"),
    now("first_received_at"),
    now("last_received_at"),
    sa.Column("indexed_at", sa.DateTime(timezone=True)),
    count("number_of_instances"),
    text("completion"),
    text("evidence"),
    now("opened_at"),
    sa.Column("expected_instances", sa.Integer),
    count("times_asked"),
    sa.Index("ix_study_patient", "patient_id", "issuer_of_patient_id", "id"),
    sa.Index("ix_study_patient_name_key", "patient_name_key"),
    sa.Index("ix_study_accession_number", "accession_number"),
    sa.Index("ix_study_study_date", "study_date", "id"),
)

series = sa.Table(
    "series",
    metadata,
    identity(),
    study_key(index=False),
    sa.Column("series_instance_uid", sa.Text, nullable=False, index=True),
    text("modality"),
    sa.Column("series_number", sa.Integer),
    text("series_description"),
    text("body_part_examined"),
    count("number_of_instances"),
    text("indexed_content"),
    sa.UniqueConstraint("study_id", "series_instance_uid"),
)

instance = sa.Table(
    "instance",
    metadata,
    identity(),
    required("series_id", sa.BigInteger, sa.ForeignKey("series.id", ondelete="CASCADE")),
    required("sop_instance_uid"),
    required("sop_class_uid"),
    required("transfer_syntax_uid"),
    sa.Column("instance_number", sa.Integer),
    sa.Column("rows", sa.Integer),
    sa.Column("columns", sa.Integer),
    sa.Column("number_of_frames", sa.Integer),
    required("path"),
    required("size_bytes", sa.BigInteger),
    required("sha256"),
    text("calling_ae_title"),
    now("received_at"),
    sa.Column("is_current", sa.Boolean, nullable=False, server_default=sa.true()),
    text("reason"),
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
    identity(),
    now("at"),
    text("calling_ae_title"),
    text("sop_class_uid"),
    required("reason"),
    sa.Column("times", sa.BigInteger, nullable=False, server_default="1"),
    now("first_at"),
    sa.UniqueConstraint("reason", "calling_ae_title", "sop_class_uid"),
)

announcement = sa.Table(
    "announcement",
    metadata,
    sa.Column("study_instance_uid", sa.Text, primary_key=True),
    sa.Column("evidence", sa.Text, primary_key=True),
    required("sop_instance_uids", sa.ARRAY(sa.Text)),
    now("at"),
)

mpps = sa.Table(
    "mpps",
    metadata,
    sa.Column("sop_instance_uid", sa.Text, primary_key=True),
    required("state"),
    sa.Column("study_instance_uids", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    text("calling_ae_title"),
    required("dataset", sa.LargeBinary),
    now("created_at"),
    now("updated_at"),
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
    identity(),
    required("transaction_uid"),
    required("calling_ae_title"),
    required("items", JSONB),
    sa.Column("duplicate", sa.Boolean, nullable=False, server_default=sa.false()),
    *attempts(),
)
sa.Index(
    "uq_commitment_transaction",
    commitment.c.calling_ae_title,
    commitment.c.transaction_uid,
    unique=True,
    postgresql_where=~commitment.c.duplicate,
)
sa.Index("ix_commitment_due", commitment.c.next_attempt_at, postgresql_where=WAITING)

LINKABLE = sa.text("state in ('pending', 'linked', 'quarantined')")
"""Messages that a study may concern when it comes."""

report_message = sa.Table(
    "report_message",
    metadata,
    identity(),
    required("channel"),
    required("source"),
    required("sha256"),
    required("state"),
    text("reason"),
    now("received_at"),
    code("report_key"),
    text("status"),
    text("text"),
    text("title"),
    text("language"),
    sa.Column("effective_at", sa.DateTime(timezone=True)),
    texts("accession_numbers"),
    texts("study_instance_uids"),
    text("patient_id"),
    text("issuer_of_patient_id"),
    texts("identifiers"),
    sa.Column("payload", sa.LargeBinary),
    sa.Index("ix_report_message_source_report_key_id", "source", "report_key", "id"),
    sa.Index("ix_report_message_sha256", "sha256"),
    sa.Index("ix_report_message_state_id", "state", "id"),
)
sa.Index(
    "ix_report_message_accession_numbers",
    report_message.c.accession_numbers,
    postgresql_using="gin",
    postgresql_where=LINKABLE,
)
sa.Index(
    "ix_report_message_study_instance_uids",
    report_message.c.study_instance_uids,
    postgresql_using="gin",
    postgresql_where=LINKABLE,
)

report = sa.Table(
    "report",
    metadata,
    identity(),
    study_key(),
    required("report_key"),
    text("title"),
    required("text"),
    sa.Column("parser_version", sa.Text, nullable=False, index=True),
    now("parsed_at"),
    text("source"),
    text("declared_language"),
    sa.Column("language", sa.Text, nullable=False, server_default="en"),
    texts("identifiers"),
    sa.UniqueConstraint("study_id", "source", "report_key"),
    sa.Index("ix_report_source_report_key", "source", "report_key"),
)

report_tag = sa.Table(
    "report_tag",
    metadata,
    identity(),
    sa.Column("report_id", sa.BigInteger, sa.ForeignKey("report.id", ondelete="CASCADE"), nullable=False, index=True),
    required("finding"),
    required("anatomy"),
    required("status"),
    required("span_start", sa.Integer),
    required("span_end", sa.Integer),
    required("sentence_start", sa.Integer),
    required("sentence_end", sa.Integer),
    required("rule"),
    text("change"),
)

model_version = sa.Table(
    "model_version",
    metadata,
    identity(sa.Integer),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    required("modality"),
    required("sha256"),
    required("preprocessing"),
    text("licence"),
)

embedding = sa.Table(
    "embedding",
    metadata,
    identity(),
    required("model_version_id", sa.Integer, sa.ForeignKey("model_version.id")),
    study_key(),
    required("unit_uid"),
    required("anatomy"),
    required("vec", Float16Vector),
    sa.UniqueConstraint("study_id", "model_version_id", "unit_uid", "anatomy"),
)

measure = sa.Table(
    "measure",
    metadata,
    sa.Column("study_id", sa.BigInteger, sa.ForeignKey("study.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("unit_uid", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    required("value", sa.Double),
)

index_change = sa.Table(
    "index_change",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("tx", Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()"), index=True),
    required("op"),
    required("embedding_id", sa.BigInteger),
)

index_snapshot = sa.Table(
    "index_snapshot",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    required("state"),
    required("watermark", Xid8),
    required("row_count", sa.BigInteger),
    required("manifest_sha256"),
    now("built_at"),
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
    required("series_instance_uid"),
    study_key(),
    required("path"),
    now("issued_at"),
)

delivery = sa.Table(
    "delivery",
    metadata,
    identity(),
    study_key(),
    required("sop_instance_uid"),
    required("peer"),
    text("path"),
    *attempts(),
    text("transaction_uid"),
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
    required("password_hash"),
    required("role"),
)

disclosure = sa.Table(
    "disclosure",
    metadata,
    identity(),
    now("at"),
    required("actor"),
    required("query_study_id", sa.BigInteger),
    required("disclosed_study_id", sa.BigInteger),
)

operator_action = sa.Table(
    "operator_action",
    metadata,
    identity(),
    now("at"),
    required("actor"),
    required("action"),
    sa.Column("study_id", sa.BigInteger),
    text("peer"),
    text("outcome"),
)

node_secret = sa.Table(
    "node_secret", metadata, sa.Column("name", sa.Text, primary_key=True), required("value", sa.LargeBinary)
)
