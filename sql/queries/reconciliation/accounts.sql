-- Equity of each account between the snapshot of the day before and that of the day. Parameters: day.
-- Fills count where both days are whole. What was paid in funding and what was deposited is known of
-- accounts whose history was asked for. Of the others, whoever held no perp at either end and traded
-- none was paid no funding.
INSERT INTO account_reconciliation (
    day, user_address, start_at, end_at, equity_start_usd, equity_end_usd, gross_realized_pnl_usd,
    fees_usd, funding_usd, unrealized_start_usd, unrealized_end_usd, net_flows_usd, residual_usd,
    tolerance_usd, status, missing, reason
)
WITH ends AS (
    SELECT DISTINCT ON (later.address)
        later.address,
        earlier.recorded_at   AS start_at,
        later.recorded_at     AS end_at,
        CASE WHEN m.is_equity THEN earlier.account_value END AS equity_start,
        CASE WHEN m.is_equity THEN later.account_value END   AS equity_end
    FROM account_equity AS later
    JOIN account_equity AS earlier ON earlier.address = later.address
    -- Of accounts that were not asked it is taken for the equity.
    CROSS JOIN LATERAL (
        SELECT keeps_perps_apart(later.address, later.recorded_at) IS NOT false AS is_equity
    ) AS m
    WHERE later.recorded_at >= %(day)s AND later.recorded_at < %(day)s::bigint + 86400000
      AND earlier.recorded_at >= %(day)s::bigint - 86400000 AND earlier.recorded_at < %(day)s
      AND later.collapse_known_at IS NULL
      AND earlier.collapse_known_at IS NULL
    ORDER BY later.address, later.recorded_at DESC, earlier.recorded_at DESC
), coverage AS (
    SELECT count(*) = 2 AS is_whole
    FROM day_state AS s
    WHERE s.day IN (%(day)s, %(day)s::bigint - 86400000)
      AND s.missing_hours = '{}'
), traded AS (
    SELECT
        f.user_address,
        sum(f.closed_pnl)                                                 AS gross,
        sum(fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px))            AS fees,
        count(*) = count(f.closed_pnl)                                    AS has_gross,
        count(*) = count(fee_usd(f.fee, f.fee_token, f.coin, f.side, f.px)) AS has_fees
    FROM fills AS f
    JOIN ends AS e ON e.address = f.user_address
    WHERE f.time >= %(day)s::bigint - 86400000 AND f.time < %(day)s::bigint + 86400000
      AND f.time >= e.start_at AND f.time < e.end_at
      AND is_perp(f.coin)
      AND strpos(f.coin, ':') = 0
    GROUP BY f.user_address
), held AS (
    SELECT
        address,
        recorded_at,
        sum(sign(szi) * position_value - szi * entry_px)                AS unrealized,
        count(*) = count(sign(szi) * position_value - szi * entry_px)   AS is_known
    FROM balance_positions
    GROUP BY address, recorded_at
), components AS (
    SELECT
        e.*,
        CASE
            WHEN NOT c.is_whole OR NOT coalesce(t.has_gross, true) THEN NULL
            ELSE coalesce(t.gross, 0)
        END AS gross,
        CASE
            WHEN NOT c.is_whole OR NOT coalesce(t.has_fees, true) THEN NULL
            ELSE coalesce(t.fees, 0)
        END AS fees,
        coalesce(
            account_funding_between(e.address, e.start_at, e.end_at, true),
            CASE
                WHEN c.is_whole AND t.user_address IS NULL AND a.address IS NULL AND z.address IS NULL
                    THEN 0
            END
        ) AS funding,
        CASE WHEN coalesce(a.is_known, true) THEN coalesce(a.unrealized, 0) END AS unrealized_start,
        CASE WHEN coalesce(z.is_known, true) THEN coalesce(z.unrealized, 0) END AS unrealized_end,
        account_flows_between(e.address, e.start_at, e.end_at) AS net_flows
    FROM ends AS e
    CROSS JOIN coverage AS c
    LEFT JOIN traded AS t ON t.user_address = e.address
    LEFT JOIN held AS a ON a.address = e.address AND a.recorded_at = e.start_at
    LEFT JOIN held AS z ON z.address = e.address AND z.recorded_at = e.end_at
    -- An account that was empty and did nothing has nothing to reconcile.
    WHERE (e.equity_start, e.equity_end) IS DISTINCT FROM (0::numeric, 0::numeric)
       OR t.user_address IS NOT NULL
)
SELECT
    %(day)s,
    c.address,
    c.start_at,
    c.end_at,
    c.equity_start,
    c.equity_end,
    c.gross,
    c.fees,
    c.funding,
    c.unrealized_start,
    c.unrealized_end,
    c.net_flows,
    r.residual_usd,
    r.tolerance_usd,
    r.status,
    r.missing,
    r.reason
FROM components AS c
CROSS JOIN LATERAL equity_reconciliation(
    c.equity_start, c.equity_end, c.gross, c.fees, c.funding, c.unrealized_start,
    c.unrealized_end, c.net_flows
) AS r
