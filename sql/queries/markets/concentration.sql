-- How much one trader's book depends on few perps.
SELECT * FROM trader_concentration(%(address)s, %(at)s, %(days)s)
