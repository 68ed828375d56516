-- The catalogue: what arrived, what became of it, and the vectors that are the truth behind every index.

create table study (
    id bigint generated always as identity primary key,
    study_instance_uid text not null,
    case_id text not null,
    state text not null default 'receiving',
    reason text not null default '',
    modality text not null default '',
    patient_code bigint not null,
    patient_id text not null default '',
    issuer_of_patient_id text not null default '',
    patient_name text not null default '',
    patient_birth_date date,
    patient_sex text not null default '',
    patient_age_years double precision,
    study_id text not null default '',
    study_date date,
    study_time text not null default '',
    accession_number text not null default '',
    study_description text not null default '',
    referring_physician_name text not null default '',
    first_received_at timestamptz not null default now(),
    last_received_at timestamptz not null default now(),
    indexed_at timestamptz,
    constraint uq_study_study_instance_uid unique (study_instance_uid),
    constraint uq_study_case_id unique (case_id),
    constraint ck_study_state check
        (state in ('receiving', 'quiet', 'queued', 'encoding', 'indexed', 'not_indexable', 'failed'))
);
create index ix_study_state on study (state);
create index ix_study_patient_id on study (patient_id);
create index ix_study_accession_number on study (accession_number);
create index ix_study_study_date on study (study_date);

create table series (
    id bigint generated always as identity primary key,
    study_id bigint not null constraint fk_series_study_id_study references study on delete cascade,
    series_instance_uid text not null,
    modality text not null default '',
    series_number integer,
    series_description text not null default '',
    body_part_examined text not null default '',
    constraint uq_series_study_id_series_instance_uid unique (study_id, series_instance_uid)
);
create index ix_series_series_instance_uid on series (series_instance_uid);

create table instance (
    id bigint generated always as identity primary key,
    series_id bigint not null constraint fk_instance_series_id_series references series on delete cascade,
    sop_instance_uid text not null,
    sop_class_uid text not null,
    transfer_syntax_uid text not null,
    instance_number integer,
    rows integer,
    columns integer,
    number_of_frames integer,
    path text not null,
    size_bytes bigint not null,
    sha256 text not null,
    calling_ae_title text not null default '',
    received_at timestamptz not null default now(),
    is_current boolean not null default true,
    reason text not null default ''
);
-- One current copy of a SOP instance; replaced copies stay on disk and in this table.
create unique index uq_instance_current on instance (sop_instance_uid) where is_current;
create index ix_instance_series_id on instance (series_id);

create table refusal (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    calling_ae_title text not null default '',
    sop_class_uid text not null default '',
    reason text not null
);

create table report (
    id bigint generated always as identity primary key,
    study_id bigint not null constraint fk_report_study_id_study references study on delete cascade,
    sop_instance_uid text not null,
    title text not null default '',
    text text not null,
    parser_version text not null,
    parsed_at timestamptz not null default now(),
    constraint uq_report_study_id_sop_instance_uid unique (study_id, sop_instance_uid)
);
create index ix_report_study_id on report (study_id);

create table report_tag (
    id bigint generated always as identity primary key,
    report_id bigint not null constraint fk_report_tag_report_id_report references report on delete cascade,
    finding text not null,
    anatomy text not null,
    status text not null,
    span_start integer not null,
    span_end integer not null,
    sentence_start integer not null,
    sentence_end integer not null,
    rule text not null
);
create index ix_report_tag_report_id on report_tag (report_id);

create table model_version (
    id integer generated always as identity primary key,
    name text not null,
    modality text not null,
    sha256 text not null,
    preprocessing text not null,
    licence text not null default '',
    constraint uq_model_version_name unique (name)
);

create table embedding (
    id bigint generated always as identity primary key,
    model_version_id integer not null
        constraint fk_embedding_model_version_id_model_version references model_version,
    study_id bigint not null constraint fk_embedding_study_id_study references study on delete cascade,
    unit_uid text not null,
    anatomy text not null,
    vec bytea not null,
    -- The study belongs to the key: careless anonymisers give several studies the same Series Instance UID.
    constraint uq_embedding_study_id_model_version_id_unit_uid_anatomy
        unique (study_id, model_version_id, unit_uid, anatomy),
    constraint ck_embedding_vec check (length(vec) = 1024)
);
alter table embedding alter column vec set storage external;
create index ix_embedding_study_id on embedding (study_id);

create table measure (
    study_id bigint not null constraint fk_measure_study_id_study references study on delete cascade,
    unit_uid text not null,
    name text not null,
    value double precision not null,
    constraint pk_measure primary key (study_id, unit_uid, name)
);

-- Readers of the index follow this log by transaction id, never by sequence: a lower number may commit later.
create table index_change (
    seq bigint generated always as identity primary key,
    tx xid8 not null default pg_current_xact_id(),
    op text not null constraint ck_index_change_op check (op in ('upsert', 'delete')),
    embedding_id bigint not null
);
create index ix_index_change_tx on index_change (tx);

create table index_snapshot (
    id text primary key,
    state text not null constraint ck_index_snapshot_state check (state in ('active', 'retired', 'quarantined')),
    watermark xid8 not null,
    row_count bigint not null,
    manifest_sha256 text not null,
    built_at timestamptz not null default now(),
    verified_at timestamptz,
    probe_recall double precision
);
create unique index uq_index_snapshot_active on index_snapshot (state) where state = 'active';

create table issued_sr (
    sop_instance_uid text primary key,
    series_instance_uid text not null,
    study_id bigint not null constraint fk_issued_sr_study_id_study references study on delete cascade,
    path text not null,
    issued_at timestamptz not null default now()
);
create index ix_issued_sr_study_id on issued_sr (study_id);

create table delivery (
    id bigint generated always as identity primary key,
    study_id bigint not null constraint fk_delivery_study_id_study references study on delete cascade,
    sop_instance_uid text not null,
    peer text not null,
    delivered_at timestamptz not null default now(),
    constraint uq_delivery_sop_instance_uid_peer unique (sop_instance_uid, peer)
);

create table account (
    name text primary key,
    password_hash text not null,
    role text not null constraint ck_account_role check (role in ('viewer', 'admin'))
);

-- A similar-case answer discloses other patients: one row for each disclosed case.
create table disclosure (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    query_study_id bigint not null,
    disclosed_study_id bigint not null
);

create table node_secret (
    name text primary key,
    value bytea not null
);
