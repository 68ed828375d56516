drop table operator_action;
