-- What the rules of a set call each trader by what was known before `before` (ms, a midnight), the
-- rule that decided, and the values it decided on. The seeds' sets read the seeds' figures, the
-- others the corrected ones: those are fenced off by OFFSET 0, since a figure that three columns
-- name would be computed three times.
CREATE OR REPLACE FUNCTION evaluated_traders(before bigint, of_rule_set text)
RETURNS TABLE (user_address text, trader_type text, rule text, inputs jsonb)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY EXECUTE format(
        CASE WHEN of_rule_set LIKE 'seed\_%'
            THEN 'SELECT m.user_address, %s, %s, %s FROM trader_metrics_before($1) AS m'
            ELSE 'SELECT m.user_address, CASE WHEN m.has_fills THEN %s ELSE ''UNCLASSIFIED'' END,'
                ' CASE WHEN m.has_fills THEN %s ELSE ''no_fills'' END, %s'
                ' FROM (SELECT b.user_address, b.fills > 0 AS has_fills, %s'
                '   FROM trader_metrics_between($1, NULL) AS b OFFSET 0) AS m'
        END,
        rule_case(of_rule_set, 'trader_type'),
        rule_case(of_rule_set, 'rule'),
        rule_inputs(of_rule_set),
        (
            SELECT string_agg(DISTINCT format('b.%I', c.metric), ', ')
            FROM classification_conditions AS c
            WHERE c.rule_set = of_rule_set
        )
    )
    USING before;
END
$$;
