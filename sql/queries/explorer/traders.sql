-- A page of the published traders by {key}; who has none stands last, at {last}. It goes on behind
-- (key, address). Parameters that are NULL ask nothing.
SELECT p.*, f.trader_id, f.name, f.state, f.active
FROM (
    SELECT q.*, coalesce(q.{key}, {last})::text AS sort_key
    FROM published_traders AS q
    WHERE (coalesce(q.{key}, {last}), q.user_address) {comparison} (%(key)s, %(address)s)
      AND (%(type)s::text IS NULL OR q.trader_type = %(type)s)
      AND (%(coin)s::text IS NULL OR q.coins @> ARRAY[%(coin)s::text])
      AND (NOT %(publishable)s OR q.publishable)
      AND (%(min_volume)s::numeric IS NULL OR q.volume_usd >= %(min_volume)s)
      AND (
          %(state)s::text IS NULL
          OR q.user_address IN (
              SELECT t.user_address
              FROM traders AS t
              WHERE t.archived_at IS NULL AND %(state)s IN ('followed', t.state)
          )
      )
      AND (
          %(q)s::text IS NULL
          OR strpos(q.user_address, lower(%(q)s)) > 0
          OR q.user_address IN (
              SELECT t.user_address FROM traders AS t WHERE strpos(lower(t.name), lower(%(q)s)) > 0
          )
      )
    ORDER BY coalesce(q.{key}, {last}) {direction}, q.user_address {direction}
    LIMIT %(limit)s
) AS p
LEFT JOIN LATERAL (
    SELECT t.trader_id, t.name, t.state, t.active
    FROM traders AS t
    WHERE t.user_address = p.user_address AND t.archived_at IS NULL
    ORDER BY t.variant
    LIMIT 1
) AS f ON true
ORDER BY coalesce(p.{key}, {last}) {direction}, p.user_address {direction}
