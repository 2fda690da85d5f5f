-- The accounts of a day's balances snapshot and of that of the day before.
CREATE TEMPORARY TABLE balance_accounts (
    address     text   NOT NULL,
    recorded_at bigint NOT NULL
) ON COMMIT DROP
