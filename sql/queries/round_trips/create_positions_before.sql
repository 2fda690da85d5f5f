-- What a day's rows were until now.
CREATE TEMPORARY TABLE positions_before (LIKE trader_coin_daily) ON COMMIT DROP
