-- classified_profiles_before, whose rules Postgres has spelt out. Filled in: trader_type, rule, before.
SELECT m.*, {trader_type} AS trader_type, {rule} AS trader_type_rule
FROM trader_metrics_before({before}) AS m
