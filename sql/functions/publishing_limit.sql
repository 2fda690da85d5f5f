-- From how many observations on a figure may be shown without a warning (`publishable`).
CREATE OR REPLACE FUNCTION publishing_limit(kind text) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT CASE kind
        WHEN 'daily_observations' THEN 30
        WHEN 'active_days' THEN 10
        WHEN 'closed_trades' THEN 10
        WHEN 'annual_days' THEN 90
        WHEN 'common_days' THEN 30
        WHEN 'exposed_snapshots' THEN 10
        WHEN 'decided_signals' THEN 10
    END
$$;
