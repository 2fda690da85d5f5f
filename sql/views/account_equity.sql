-- account_equity: one row per address and balances snapshot, and from when on the record is known
-- to be a fault of the source (NULL: it is none, as far as is known). As of an instant T, leave out
-- the rows whose collapse_known_at < T.
CREATE VIEW account_equity AS
SELECT
    b.address,
    b.recorded_at,
    b.account_value,
    b.total_ntl_pos,
    b.total_ntl_pos / nullif(b.account_value, 0) AS leverage,
    b.total_margin_used,
    c.known_at AS collapse_known_at
FROM account_balances AS b
LEFT JOIN balance_collapses AS c ON c.address = b.address AND c.recorded_at = b.recorded_at;
