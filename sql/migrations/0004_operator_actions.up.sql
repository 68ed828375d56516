-- What people did to studies and deliveries, from the pages or the command line. Like disclosure it outlives the study.
create table operator_action (
    id bigint generated always as identity primary key,
    at timestamptz not null default now(),
    actor text not null,
    action text not null,
    study_id bigint,
    peer text not null default '',
    outcome text not null default ''
);
