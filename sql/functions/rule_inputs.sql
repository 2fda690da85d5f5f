-- The metrics that a rule set names, as an expression for one JSON object of their values.
CREATE OR REPLACE FUNCTION rule_inputs(of_rule_set text) RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT format('jsonb_build_object(%s)', string_agg(format('%L, m.%I', metric, metric), ', ' ORDER BY metric))
    FROM (
        SELECT DISTINCT metric FROM classification_conditions WHERE rule_set = of_rule_set
    ) AS c
$$;
