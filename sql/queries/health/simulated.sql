SELECT count(*) FILTER (WHERE is_simulated) FROM data_health
