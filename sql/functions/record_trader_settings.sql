-- Each version of a trader's settings, and who made it; whoever writes to `traders`, by whatever way.
CREATE OR REPLACE FUNCTION record_trader_settings() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    before jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
    changed jsonb;
BEGIN
    SELECT coalesce(jsonb_object_agg(n.key, n.value), '{}') INTO changed
    FROM jsonb_each(to_jsonb(NEW)) AS n
    WHERE before -> n.key IS DISTINCT FROM n.value
        AND n.key NOT IN ('version', 'effective_at', 'updated_at', 'updated_by');
    INSERT INTO trader_settings_history
    SELECT NEW.trader_id, NEW.version, NEW.effective_at, NEW.updated_at, NEW.updated_by,
        CASE WHEN TG_OP = 'UPDATE' THEN
            (SELECT coalesce(jsonb_object_agg(key, before -> key), '{}') FROM jsonb_object_keys(changed) AS key)
        END,
        changed, to_jsonb(NEW);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER traders_history AFTER INSERT OR UPDATE ON traders
FOR EACH ROW EXECUTE FUNCTION record_trader_settings();
