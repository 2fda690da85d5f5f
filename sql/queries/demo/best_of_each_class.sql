-- Whom the demo follows: of the classes that somebody would copy, who made most by the data so far.
SELECT DISTINCT ON (trader_type) trader_type, user_address
FROM trader_profiles
WHERE trader_type <> 'LIQUIDATOR'
ORDER BY trader_type, net_pnl DESC NULLS LAST, user_address
