-- What the walk over a day finds of each trader, before sums are carried on. Perps only, except
-- seed_fees and seed_builder_fees. marked_change is before fees.
CREATE TEMPORARY TABLE day_results (
    user_address      text    NOT NULL,
    fills             bigint  NOT NULL,
    unpriced_fills    bigint  NOT NULL,
    unknown_pnl_fills bigint  NOT NULL,
    maker_fills       bigint  NOT NULL,
    taker_fills       bigint  NOT NULL,
    long_increases    bigint  NOT NULL,
    short_increases   bigint  NOT NULL,
    liquidated_fills  bigint  NOT NULL,
    liquidator_fills  bigint  NOT NULL,
    winning_fills     bigint  NOT NULL,
    losing_fills      bigint  NOT NULL,
    volume            numeric NOT NULL,
    gross_pnl         numeric NOT NULL,
    fees              numeric NOT NULL,
    maker_volume      numeric NOT NULL,
    taker_volume      numeric NOT NULL,
    twap_volume       numeric NOT NULL,
    exposure_usd      numeric,
    marked_change     numeric,
    peak_exposure_usd numeric NOT NULL,
    exposure_usd_ms   numeric NOT NULL,
    seed_fees         numeric NOT NULL,
    seed_builder_fees numeric NOT NULL
) ON COMMIT DROP
