-- Signals of a trader, newest first, behind one of them; with what their copy came to.
SELECT s.signal_id, s.trader_id, s.source, s.source_key, s.action, s.coin, s.side, s.leader_time,
    s.leader_px, s.leader_size, s.reduced_share, s.leverage, s.confidence, s.received_at,
    s.settings_version, s.outcome, s.size_usd, s.evidence,
    c.copy_id, c.mode, c.entry_px, c.exit_px, c.closed_at, c.net_pnl_usd
FROM signals AS s
LEFT JOIN copies AS c USING (signal_id)
WHERE s.trader_id = %(trader_id)s
    AND (%(signal_id)s::bigint IS NULL OR s.signal_id = %(signal_id)s)
    AND (%(coin)s::text IS NULL OR s.coin = %(coin)s)
    AND (%(outcome)s::text IS NULL OR s.outcome = %(outcome)s)
    AND (%(before_time)s::bigint IS NULL
        OR (s.leader_time, s.signal_id) < (%(before_time)s::bigint, %(before_id)s::bigint))
ORDER BY s.leader_time DESC, s.signal_id DESC
LIMIT %(limit)s
