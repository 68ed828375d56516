-- What the DICOM services of a hospital network need: when a study is complete and how that is known, queries over the
-- whole archive, and promises to peers (storage commitment, sends) that outlive a restart.

-- Identifiers are compared byte by byte: the index then answers equality, prefixes (LIKE 'x%') and order alike.
drop index ix_study_patient_id;
drop index ix_study_accession_number;
drop index ix_study_study_date;
alter table study
    alter patient_id type text collate "C",
    alter issuer_of_patient_id type text collate "C",
    alter accession_number type text collate "C",
    alter study_time type text collate "C",
    add patient_name_key text collate "C" not null default '',
    add procedure_code_sequence jsonb not null default '[]',
    add number_of_instances integer not null default 0,
    add completion text not null default '',
    add evidence text not null default '',
    add opened_at timestamptz not null default now(),
    add expected_instances integer,
    add times_asked integer not null default 0,
    add constraint ck_study_completion check (completion in ('', 'verified', 'unverified', 'forced')),
    add constraint ck_study_evidence check
        (evidence in ('', 'ian', 'mpps', 'commitment', 'count', 'timer', 'force timer', 'operator'));
create index ix_study_patient on study (patient_id, issuer_of_patient_id, id);
create index ix_study_patient_name_key on study (patient_name_key);
create index ix_study_accession_number on study (accession_number);
create index ix_study_study_date on study (study_date, id);

alter table series
    add number_of_instances integer not null default 0,
    add indexed_content text not null default '';
update series set number_of_instances =
    (select count(*) from instance where instance.series_id = series.id and instance.is_current);
update study set opened_at = first_received_at, number_of_instances =
    (select coalesce(sum(series.number_of_instances), 0) from series where series.study_id = study.id);
-- Studies that were indexed before had nothing but the quiet timer.
update study set completion = 'unverified', evidence = 'timer' where state not in ('receiving', 'quiet');

-- Replaced copies, to recognise one that is received a second time after a crash.
create index ix_instance_replaced on instance (sop_instance_uid) where not is_current;
create index ix_instance_reason on instance (reason) where is_current and reason <> '';

-- One row for each kind of refusal, however often it happens.
create temporary table refused on commit drop as
    select reason, calling_ae_title, sop_class_uid, count(*) as times, min(at) as first_at, max(at) as at
    from refusal group by reason, calling_ae_title, sop_class_uid;
delete from refusal;
alter table refusal
    add times bigint not null default 1,
    add first_at timestamptz not null default now(),
    add constraint uq_refusal_reason_calling_ae_title_sop_class_uid unique (reason, calling_ae_title, sop_class_uid);
insert into refusal (reason, calling_ae_title, sop_class_uid, times, first_at, at)
    select reason, calling_ae_title, sop_class_uid, times, first_at, at from refused order by at;

-- What peers said of a study that is not all here yet; an empty list never waits.
create table announcement (
    study_instance_uid text not null,
    evidence text not null,
    sop_instance_uids text[] not null,
    at timestamptz not null default now(),
    constraint announcement_pkey primary key (study_instance_uid, evidence)
);

create table mpps (
    sop_instance_uid text primary key,
    state text not null,
    study_instance_uids text[] not null default '{}',
    calling_ae_title text not null default '',
    dataset bytea not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint ck_mpps_state check (state in ('IN PROGRESS', 'COMPLETED', 'DISCONTINUED'))
);
create index ix_mpps_study_instance_uids on mpps using gin (study_instance_uids) where state = 'IN PROGRESS';

-- Storage commitment requests of peers, from the N-ACTION to the delivered N-EVENT-REPORT.
create table commitment (
    id bigint generated always as identity primary key,
    transaction_uid text not null,
    calling_ae_title text not null,
    items jsonb not null,
    duplicate boolean not null default false,
    state text not null default 'waiting',
    attempts integer not null default 0,
    reason text not null default '',
    created_at timestamptz not null default now(),
    next_attempt_at timestamptz not null default now(),
    leased_until timestamptz,
    delivered_at timestamptz,
    constraint ck_commitment_state check (state in ('waiting', 'delivered', 'dead'))
);
create unique index uq_commitment_transaction on commitment (calling_ae_title, transaction_uid) where not duplicate;
create index ix_commitment_due on commitment (next_attempt_at) where state = 'waiting';

-- Objects to be sent to peers: rows written so far were sent.
alter table delivery
    add path text not null default '',
    add state text not null default 'waiting',
    add attempts integer not null default 0,
    add reason text not null default '',
    add created_at timestamptz not null default now(),
    add next_attempt_at timestamptz not null default now(),
    add leased_until timestamptz,
    add transaction_uid text not null default '',
    add confirmed_at timestamptz,
    alter delivered_at drop not null,
    alter delivered_at drop default,
    add constraint ck_delivery_state check (state in ('waiting', 'delivered', 'dead'));
update delivery set state = 'delivered', created_at = delivered_at;
create index ix_delivery_due on delivery (peer, next_attempt_at) where state = 'waiting';
create index ix_delivery_transaction_uid on delivery (transaction_uid) where transaction_uid <> '';
create index ix_delivery_study_id on delivery (study_id);

-- Every transition of a study looks for the jobs of that study alone.
create index ix_jobs_lock on jobs.procrastinate_jobs (lock) where status in ('todo', 'doing');
