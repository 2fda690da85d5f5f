-- The positions of these accounts. position_value has no sign, szi has.
CREATE TEMPORARY TABLE balance_positions (
    address        text    NOT NULL,
    coin           text    NOT NULL,
    recorded_at    bigint  NOT NULL,
    szi            numeric NOT NULL,
    position_value numeric,
    entry_px       numeric
) ON COMMIT DROP
