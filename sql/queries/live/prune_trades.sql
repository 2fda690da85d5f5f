-- The same for trades. Parameters: day.
DELETE FROM live_trades AS l
USING fills AS b, fills AS s
WHERE l.time >= %(day)s
  AND l.time < %(day)s::bigint + 86400000
  AND b.time >= %(day)s
  AND b.time < %(day)s::bigint + 86400000
  AND s.time >= %(day)s
  AND s.time < %(day)s::bigint + 86400000
  AND b.time = l.time
  AND b.coin = l.coin
  AND b.tid = l.tid
  AND b.user_address = l.buyer
  AND b.side = 'B'
  AND s.time = l.time
  AND s.coin = l.coin
  AND s.tid = l.tid
  AND s.user_address = l.seller
  AND s.side = 'A'
  AND (b.px, b.sz, b.hash) = (l.px, l.sz, l.hash)
  AND l.side = CASE WHEN b.crossed THEN 'B' ELSE 'A' END
