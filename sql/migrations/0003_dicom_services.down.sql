drop index jobs.ix_jobs_lock;

delete from delivery where state <> 'delivered';
drop index ix_delivery_due;
drop index ix_delivery_study_id;
drop index ix_delivery_transaction_uid;
alter table delivery
    drop path,
    drop state,
    drop attempts,
    drop reason,
    drop created_at,
    drop next_attempt_at,
    drop leased_until,
    drop transaction_uid,
    drop confirmed_at,
    alter delivered_at set default now(),
    alter delivered_at set not null;

drop table commitment, mpps, announcement;

alter table refusal drop constraint uq_refusal_reason_calling_ae_title_sop_class_uid, drop times, drop first_at;

drop index ix_instance_reason;
drop index ix_instance_replaced;
alter table series drop number_of_instances, drop indexed_content;

drop index ix_study_study_date;
drop index ix_study_accession_number;
drop index ix_study_patient_name_key;
drop index ix_study_patient;
alter table study
    drop patient_name_key,
    drop procedure_code_sequence,
    drop number_of_instances,
    drop completion,
    drop evidence,
    drop opened_at,
    drop expected_instances,
    drop times_asked,
    alter patient_id type text collate "default",
    alter issuer_of_patient_id type text collate "default",
    alter accession_number type text collate "default",
    alter study_time type text collate "default";
create index ix_study_patient_id on study (patient_id);
create index ix_study_accession_number on study (accession_number);
create index ix_study_study_date on study (study_date);
