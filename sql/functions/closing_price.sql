-- A perp's last price of a UTC day (ms): the close of its last five minutes. NULL where the fills
-- of that hour are missing.
CREATE OR REPLACE FUNCTION closing_price(of_coin text, of_day bigint) RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT c.close
    FROM candles AS c
    WHERE c.coin = of_coin AND c.interval = '5m' AND c.open_time = of_day + 86400000 - 300000
$$;
