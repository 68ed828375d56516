drop table node_secret, disclosure, account, delivery, issued_sr, index_snapshot, index_change, measure, embedding,
    model_version, report_tag, report, refusal, instance, series, study;
