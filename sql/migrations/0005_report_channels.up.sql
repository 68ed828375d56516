-- Reports that come by themselves (HL7, FHIR, REST, bulk files), every version as it was received, and what became of it.
create table report_message (
    id bigint generated always as identity primary key,
    channel text not null constraint ck_report_message_channel check (channel in ('hl7', 'fhir', 'rest', 'bulk')),
    source text not null,
    sha256 text not null,
    state text not null constraint ck_report_message_state check
        (state in ('waiting', 'pending', 'linked', 'quarantined', 'dead', 'discarded')),
    reason text not null default '',
    received_at timestamptz not null default now(),
    report_key text collate "C" not null default '',
    status text not null default '',
    text text not null default '',
    title text not null default '',
    language text not null default '',
    effective_at timestamptz,
    accession_numbers text[] not null default '{}',
    study_instance_uids text[] not null default '{}',
    patient_id text not null default '',
    issuer_of_patient_id text not null default '',
    identifiers text[] not null default '{}',
    -- The message as it came: of those that could not be read, and of all where the site keeps them.
    payload bytea
);
create index ix_report_message_source_report_key_id on report_message (source, report_key, id);
create index ix_report_message_sha256 on report_message (sha256);
create index ix_report_message_state_id on report_message (state, id);
create index ix_report_message_accession_numbers on report_message using gin (accession_numbers)
    where state in ('pending', 'linked', 'quarantined');
create index ix_report_message_study_instance_uids on report_message using gin (study_instance_uids)
    where state in ('pending', 'linked', 'quarantined');

-- A report of a study is an object inside it (no source) or what stands after the messages of one source.
alter table report rename sop_instance_uid to report_key;
alter table report drop constraint uq_report_study_id_sop_instance_uid;
alter table report
    add source text not null default '',
    add declared_language text not null default '',
    add language text not null default 'en',
    add identifiers text[] not null default '{}',
    add constraint uq_report_study_id_source_report_key unique (study_id, source, report_key);
create index ix_report_source_report_key on report (source, report_key);
create index ix_report_parser_version on report (parser_version);

alter table report_tag add change text not null default '';

alter table account drop constraint ck_account_role;
alter table account add constraint ck_account_role check (role in ('viewer', 'admin', 'sender'));
