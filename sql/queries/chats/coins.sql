-- The perps that were traded last, as the exchange spells them.
SELECT DISTINCT coin FROM coin_daily
WHERE day > (SELECT max(day) FROM coin_daily) - 30 * 86400000::bigint AND is_perp(coin)
