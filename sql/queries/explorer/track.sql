-- Ratios and falls of one trader that need the order of his days.
SELECT * FROM trader_track(%(address)s, %(at)s, %(days)s)
