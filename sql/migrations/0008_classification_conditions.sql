-- classification_conditions: one row per condition. A rule fires when all of its conditions
-- hold; of a rule set the rule with the lowest `rule_order` wins. An undefined metric fails.
-- Written by: rows/classification_conditions.sql.
CREATE TABLE classification_conditions (
    rule_set    text    NOT NULL,
    rule_order  integer NOT NULL,
    rule        text    NOT NULL,
    trader_type text    NOT NULL,
    metric      text    NOT NULL,
    comparison  text    NOT NULL CHECK (comparison IN ('>=', '<=')),
    threshold   numeric NOT NULL,
    PRIMARY KEY (rule_set, rule, metric, comparison)
);
COMMENT ON COLUMN classification_conditions.metric IS 'a column of trader_profiles, or abs_mtm_tv, its size without sign';
