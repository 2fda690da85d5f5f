-- wallet_profiles: one row per wallet, day's end and window, from lots matched first in, first out.
-- co_occurrences: one row per day, perp, direction and pair of wallets that opened together.
-- Written by: Wallets, a UTC day at a time. Open lots are kept in the lake.
CREATE TABLE wallet_profiles (
    day                                  bigint NOT NULL,
    address                              text NOT NULL,
    as_of                                bigint NOT NULL,
    "window"                             text NOT NULL,
    fill_count                           bigint NOT NULL,
    volume_usd                           numeric NOT NULL,
    trade_count                          bigint NOT NULL,
    unpriced_pieces                      bigint,
    censored_qty                         numeric,
    continuity_breaks                    bigint,
    start_unknown                        boolean,
    gross_profit_usd                     numeric,
    gross_loss_usd                       numeric,
    net_pnl_usd                          numeric,
    peak_exposure_usd                    numeric,
    capital_basis                        text,
    win_rate                             double precision,
    profit_factor                        double precision,
    avg_hold_hours                       double precision,
    avg_pnl_pct                          double precision,
    trades_per_day                       double precision,
    style                                text,
    is_bot                               boolean,
    trade_curve_max_drawdown_usd         numeric,
    max_drawdown_on_peak_exposure        double precision,
    max_drawdown                         double precision,
    equity                               numeric,
    reason                               text,
    win_rate_reason                      text,
    profit_factor_reason                 text,
    avg_hold_hours_reason                text,
    avg_pnl_pct_reason                   text,
    trades_per_day_reason                text,
    style_reason                         text,
    is_bot_reason                        text,
    trade_curve_max_drawdown_usd_reason  text,
    max_drawdown_on_peak_exposure_reason text,
    max_drawdown_reason                  text,
    equity_reason                        text,
    PRIMARY KEY (address, as_of, "window")
);
CREATE INDEX wallet_profiles_day ON wallet_profiles (day);
COMMENT ON COLUMN wallet_profiles.as_of IS 'ms; only fills before it count';
COMMENT ON COLUMN wallet_profiles."window" IS '1d, 30d, 90d or all: pieces that end in it; their entries may be older';
COMMENT ON COLUMN wallet_profiles.trade_count IS 'pieces: overlaps of a lot and a closing fill; not a number of decisions';
COMMENT ON COLUMN wallet_profiles.censored_qty IS 'closed units whose entry is not known';

CREATE TABLE co_occurrences (
    day        bigint NOT NULL,
    coin       text   NOT NULL,
    direction  text   NOT NULL CHECK (direction IN ('long', 'short')),
    address_a  text   NOT NULL,
    address_b  text   NOT NULL,
    n_together bigint NOT NULL,
    n_a        bigint NOT NULL,
    n_b        bigint NOT NULL,
    expected   double precision NOT NULL,
    lift       double precision NOT NULL,
    first_at   bigint NOT NULL,
    PRIMARY KEY (day, coin, direction, address_a, address_b)
);
COMMENT ON COLUMN co_occurrences.n_together IS 'entries within five minutes of one another, each used once';
COMMENT ON COLUMN co_occurrences.expected IS 'n_a x n_b x 600 / 86400: independent and uniform over the day';
