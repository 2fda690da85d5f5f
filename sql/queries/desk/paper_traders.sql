-- Whose account a day moves, and how the day before left it. Parameters: day, ends_at.
SELECT t.trader_id, t.user_address, t.name, greatest(t.followed_from, %(day)s), a.reader, a.account
FROM traders AS t
LEFT JOIN LATERAL (
    SELECT p.reader, p.account
    FROM paper_accounts AS p
    WHERE p.trader_id = t.trader_id AND p.day < %(day)s
    ORDER BY p.day DESC
    LIMIT 1
) AS a ON true
WHERE t.followed_from < %(ends_at)s
  -- Of who is archived, only what is still open goes on.
  AND NOT (
      t.state = 'archived' AND t.effective_at <= %(day)s
      AND coalesce(a.account -> 'open' = '[]' AND a.account -> 'orders' = '[]', true)
  )
ORDER BY t.trader_id
