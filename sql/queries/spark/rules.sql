-- The classes of a rule set, and the rules that decide, as expressions over the metrics.
SELECT rule_case(%(rule_set)s, 'trader_type'), rule_case(%(rule_set)s, 'rule')
