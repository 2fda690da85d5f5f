-- Equal exactly when what is known of all accounts in [start, end) is. Parameters: start, end.
SELECT md5(concat_ws(
    '/',
    (
        SELECT string_agg(f::text, '|' ORDER BY f.user_address, f.time, f.coin)
        FROM account_funding AS f
        WHERE f.time >= %(start)s::bigint - 86400000 AND f.time < %(end)s AND f.until > %(start)s
    ),
    (
        SELECT string_agg(f::text, '|' ORDER BY f.user_address, f.time, f.hash, f.seq)
        FROM account_flows AS f
        WHERE f.time >= %(start)s AND f.time < %(end)s
    ),
    (
        SELECT string_agg(
            concat_ws(
                ' ', c.user_address, c.kind, greatest(c.covered_from, %(start)s::bigint),
                least(c.covered_until, %(end)s::bigint)
            ),
            '|' ORDER BY c.user_address, c.kind, c.covered_from
        )
        FROM account_coverage AS c
        WHERE c.covered_from < %(end)s AND c.covered_until > %(start)s
    ),
    (
        SELECT string_agg(m::text, '|' ORDER BY m.user_address, m.observed_at)
        FROM account_modes AS m
    )
))
