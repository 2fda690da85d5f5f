CREATE INDEX ON {new_day} (time) WHERE liquidation IS NOT NULL
