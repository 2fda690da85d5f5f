-- The rules of a set as one CASE over the columns they name: the rule that fires, or its class
-- (`result`: rule or trader_type). A rule fires when all its conditions hold; an undefined input
-- fails its condition; the lowest rule_order that fires wins; where none does it is `retail`.
CREATE OR REPLACE FUNCTION rule_case(of_rule_set text, result text) RETURNS text
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    whens text;
BEGIN
    SELECT string_agg(
        format('WHEN %s THEN %L', r.conditions, CASE result WHEN 'rule' THEN r.rule ELSE r.trader_type END),
        ' ' ORDER BY r.rule_order
    )
    INTO whens
    FROM (
        SELECT
            c.rule_order,
            c.rule,
            c.trader_type,
            string_agg(
                format('%I %s %s::numeric', c.metric, c.comparison, c.threshold),
                ' AND ' ORDER BY c.metric, c.comparison
            ) AS conditions
        FROM classification_conditions AS c
        WHERE c.rule_set = of_rule_set
        GROUP BY c.rule_order, c.rule, c.trader_type
    ) AS r;
    IF whens IS NULL THEN
        RAISE EXCEPTION 'there is no rule set %', of_rule_set;
    END IF;
    RETURN format('CASE %s ELSE %L END', whens, CASE result WHEN 'rule' THEN 'retail' ELSE 'RETAIL' END);
END
$$;
