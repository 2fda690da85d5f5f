-- What a day of paper trading is made of: the fills and round trips until its end, the settings in
-- force, signals from outside, balances, funding, figures of the leaders, and the last day built before
-- it, which in turn says what it was made of. The first column is NULL where the day is not loaded,
-- the third where nobody was followed by then. Parameters: day, ends_at.
SELECT
    (SELECT s.content_version FROM day_state AS s WHERE s.day = %(day)s),
    (
        SELECT md5(string_agg(s.day || ' ' || s.content_version || ' ' || (a.day IS NOT NULL), ',' ORDER BY s.day))
        FROM day_state AS s
        LEFT JOIN aggregate_state AS a
            ON a.relation = 'round_trips' AND a.day = s.day AND a.generation = s.generation
        WHERE s.day <= %(day)s
    ),
    (
        SELECT md5(string_agg(h.trader_id || ' ' || h.version || ' ' || h.settings, ',' ORDER BY h.trader_id, h.version))
        FROM traders AS t
        JOIN trader_settings_history AS h USING (trader_id)
        WHERE t.followed_from < %(ends_at)s AND h.effective_at < %(ends_at)s
    ),
    (
        SELECT md5(string_agg(
            concat_ws(' ', g.trader_id, g.source, g.source_key, g.action, g.coin, g.side, g.leader_px,
                g.reduced_share, g.leverage, g.confidence, g.received_at),
            ',' ORDER BY g.trader_id, g.source, g.source_key
        ))
        FROM signals AS g
        WHERE g.source <> 'fills' AND g.received_at >= %(day)s AND g.received_at < %(ends_at)s
          AND (g.outcome = 'pending' OR g.settings_version IS NOT NULL)
          -- Exits that the tape tells of follow from what is counted already.
          AND NOT g.evidence ? 'level'
    ),
    (
        SELECT string_agg(a.relation || a.day || a.built_from, ',' ORDER BY a.relation, a.day)
        FROM artemis_state AS a
        WHERE a.relation IN ('account_balances', 'balance_collapses', 'funding_history')
          AND a.day BETWEEN %(day)s - 2 * 86400000 AND %(day)s
    ),
    (SELECT m.built_from FROM metric_state AS m WHERE m.day = %(day)s),
    (
        SELECT d.day || d.built_from
        FROM desk_state AS d
        WHERE d.relation = 'paper_trades' AND d.day < %(day)s
        ORDER BY d.day DESC
        LIMIT 1
    )
