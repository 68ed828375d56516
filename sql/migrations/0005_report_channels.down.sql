delete from account where role = 'sender';
alter table account drop constraint ck_account_role;
alter table account add constraint ck_account_role check (role in ('viewer', 'admin'));

alter table report_tag drop change;

delete from report where source <> '';
drop index ix_report_source_report_key;
drop index ix_report_parser_version;
alter table report
    drop constraint uq_report_study_id_source_report_key,
    drop source,
    drop declared_language,
    drop language,
    drop identifiers;
alter table report rename report_key to sop_instance_uid;
alter table report add constraint uq_report_study_id_sop_instance_uid unique (study_id, sop_instance_uid);

drop table report_message;
