-- Every opening signal of one trader in [from_ms, until_ms), and what became of it by until_ms: of
-- the copy, or of the same trade simulated where it was not copied. One row a signal; the net result
-- is NULL while open. Simulated results are of size_usd, or of 1 USD where nothing was to be bought.
CREATE OR REPLACE FUNCTION signal_outcomes(
    of_trader bigint, from_ms bigint, until_ms bigint, fee_rate double precision DEFAULT 0.00045
)
RETURNS TABLE (
    signal_id bigint, leader_time bigint, side text, confidence double precision, outcome text,
    basis text, submitted_at bigint, opened_at bigint, leader_px numeric, entry_px numeric,
    notional_usd numeric, resolved_at bigint, net_pnl_usd numeric, leader_pnl_usd numeric
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        s.signal_id,
        s.leader_time,
        s.side,
        s.confidence,
        s.outcome,
        CASE WHEN c.copy_id IS NULL THEN 'simulated' ELSE 'copied' END,
        c.submitted_at,
        c.opened_at,
        coalesce(c.leader_entry_px, s.leader_px),
        c.entry_px,
        c.quantity * c.entry_px,
        CASE WHEN c.copy_id IS NULL THEN m.closed_at WHEN c.closed_at < until_ms THEN c.closed_at END,
        CASE
            WHEN c.copy_id IS NULL THEN (m.net_return * coalesce(nullif(s.size_usd, 0), 1)::double precision)::numeric
            WHEN c.closed_at < until_ms THEN c.net_pnl_usd
        END,
        CASE
            WHEN c.copy_id IS NULL
                THEN (m.return_at_leader * coalesce(nullif(s.size_usd, 0), 1)::double precision)::numeric
            WHEN c.closed_at < until_ms THEN c.gross_at_leader_usd
        END
    FROM signals AS s
    LEFT JOIN copies AS c ON c.signal_id = s.signal_id
    LEFT JOIN simulated_outcomes(of_trader, from_ms, until_ms, fee_rate) AS m ON m.signal_id = s.signal_id
    WHERE s.trader_id = of_trader AND s.action = 'open'
      AND s.leader_time >= from_ms AND s.leader_time < until_ms
$$;
