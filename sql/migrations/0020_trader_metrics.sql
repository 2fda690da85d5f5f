-- What the corrected figures of a trader are made of, a UTC day at a time, each day on top of the
-- one before. Perps only, unless said. USD; a perp's quote token counts as one. Times in ms, UTC.
-- Written by: TraderMetrics.
CREATE TABLE held_positions (
    day          bigint  NOT NULL,
    user_address text    NOT NULL,
    coin         text    NOT NULL,
    position     numeric NOT NULL CHECK (position <> 0),
    mark         numeric,
    PRIMARY KEY (day, user_address, coin)
);
COMMENT ON TABLE held_positions IS 'One row per perp position that was open when a UTC day ended';
COMMENT ON COLUMN held_positions.position IS 'signed, base units, 8 decimals';
COMMENT ON COLUMN held_positions.mark IS 'last price on the book before the day''s end; NULL while the coin was never traded there';

CREATE TABLE trader_totals (
    user_address          text    NOT NULL,
    day                   bigint  NOT NULL,
    first_day             bigint  NOT NULL,
    -- Of the day alone.
    net_pnl               numeric,
    mark_to_market_pnl    numeric,
    exposure_usd          numeric,
    peak_exposure_usd     numeric NOT NULL,
    -- Sums from the first day known until this one's end: a window is a difference of two rows.
    fills                 bigint  NOT NULL,
    volume                numeric NOT NULL,
    gross_pnl             numeric NOT NULL,
    fees                  numeric NOT NULL,
    unpriced_fills        bigint  NOT NULL,
    unknown_pnl_fills     bigint  NOT NULL,
    maker_fills           bigint  NOT NULL,
    taker_fills           bigint  NOT NULL,
    maker_volume          numeric NOT NULL,
    taker_volume          numeric NOT NULL,
    long_increases        bigint  NOT NULL,
    short_increases       bigint  NOT NULL,
    liquidated_fills      bigint  NOT NULL,
    liquidator_fills      bigint  NOT NULL,
    twap_volume           numeric NOT NULL,
    winning_fills         bigint  NOT NULL,
    losing_fills          bigint  NOT NULL,
    exposure_usd_ms       numeric NOT NULL,
    active_days           bigint  NOT NULL,
    closed_trades         bigint  NOT NULL,
    winning_trades        bigint  NOT NULL,
    losing_trades         bigint  NOT NULL,
    unknown_trades        bigint  NOT NULL,
    gross_profit          numeric NOT NULL,
    gross_loss            numeric NOT NULL,
    hold_ms               numeric NOT NULL,
    left_censored_trades  bigint  NOT NULL,
    continuity_breaks     bigint  NOT NULL,
    all_gross_pnl         numeric NOT NULL,
    all_fees              numeric NOT NULL,
    all_unpriced_fills    bigint  NOT NULL,
    seed_fees             numeric NOT NULL,
    seed_builder_fees     numeric NOT NULL,
    -- Power sums of the daily results over complete days; a day without a row adds nothing to them.
    net_1                 numeric NOT NULL,
    net_2                 numeric NOT NULL,
    net_3                 numeric NOT NULL,
    net_4                 numeric NOT NULL,
    net_below_2           numeric NOT NULL,
    net_up_days           bigint  NOT NULL,
    net_down_days         bigint  NOT NULL,
    unknown_net_days      bigint  NOT NULL,
    marked_1              numeric NOT NULL,
    marked_2              numeric NOT NULL,
    marked_3              numeric NOT NULL,
    marked_4              numeric NOT NULL,
    marked_below_2        numeric NOT NULL,
    marked_up_days        bigint  NOT NULL,
    marked_down_days      bigint  NOT NULL,
    unknown_marked_days   bigint  NOT NULL,
    PRIMARY KEY (user_address, day)
);
CREATE INDEX trader_totals_day ON trader_totals (day);
COMMENT ON TABLE trader_totals IS 'One row per trader and UTC day on which he traded or held a position';
COMMENT ON COLUMN trader_totals.net_pnl IS 'closed_pnl - fees of the day; NULL where a fill does not tell the one or the other in USD';
COMMENT ON COLUMN trader_totals.mark_to_market_pnl IS 'change of value of all positions and of what was paid for them, less fees, at the marks of both midnights; NULL where a mark, a position at the day''s start, or a fee is unknown';
COMMENT ON COLUMN trader_totals.exposure_usd IS 'sum of |position x mark| at the day''s end; NULL where a mark is unknown';
COMMENT ON COLUMN trader_totals.peak_exposure_usd IS 'largest sum of |position x last price of his own fills|, or of the mark before, at any of his fills of the day and at its start';
COMMENT ON COLUMN trader_totals.unpriced_fills IS 'whose fee has no price in USD';
COMMENT ON COLUMN trader_totals.unknown_pnl_fills IS 'that do not tell their closed PnL: before 2025-05-25';
COMMENT ON COLUMN trader_totals.maker_fills IS 'ordinary fills in the book: no liquidation object, direction open, close or flip';
COMMENT ON COLUMN trader_totals.long_increases IS 'fills that opened or increased a long, by their positions';
COMMENT ON COLUMN trader_totals.exposure_usd_ms IS 'integral of gross exposure over time, each position at the last price of the trader''s own fills, or at the mark before';
COMMENT ON COLUMN trader_totals.closed_trades IS 'round trips seen from their opening to their close; this and what follows';
COMMENT ON COLUMN trader_totals.gross_loss IS 'sum of negative results, <= 0';
COMMENT ON COLUMN trader_totals.all_gross_pnl IS 'perps, spot and outcomes; so with all_fees and all_unpriced_fills';
COMMENT ON COLUMN trader_totals.seed_fees IS 'as the seeds add them: whatever the token, as dollars; so with seed_builder_fees';
COMMENT ON COLUMN trader_totals.net_below_2 IS 'sum of squares of the negative ones';
COMMENT ON COLUMN trader_totals.unknown_net_days IS 'complete days whose net_pnl is NULL';

-- What rows of trader_totals were until their day was built again of something else.
CREATE TABLE restated_totals (LIKE trader_totals, known_until timestamptz NOT NULL);
CREATE INDEX restated_totals_user ON restated_totals (user_address, day);
COMMENT ON COLUMN restated_totals.known_until IS 'when it was replaced; it was the last word from the replacement before it, or from the first build, until then';

-- Who has rows in trader_totals, or had: one address to look up for each.
CREATE TABLE known_traders (
    user_address text PRIMARY KEY
);

-- metric_state: one row per UTC day of trader_totals built.
CREATE TABLE metric_state (
    day        bigint  PRIMARY KEY,
    built_from text    NOT NULL,
    row_count  bigint  NOT NULL,
    complete   boolean NOT NULL,
    loaded_days bigint NOT NULL,
    complete_days bigint NOT NULL,
    trials     bigint,
    sharpe_variance double precision
);
COMMENT ON COLUMN metric_state.built_from IS 'fingerprint of the day''s fills, its round trips, the rules, and of the day before';
COMMENT ON COLUMN metric_state.complete IS 'no source object of the day is missing: it counts in ratios';
COMMENT ON COLUMN metric_state.complete_days IS 'complete days until this one''s end';
COMMENT ON COLUMN metric_state.trials IS 'traders with enough days and closed trades to be judged by their Sharpe ratio, at this day''s end';
COMMENT ON COLUMN metric_state.sharpe_variance IS 'sample variance of theirs';

-- rule_sets: how often in a row a trader must fail the rule of his class to lose it.
CREATE TABLE rule_sets (
    rule_set             text     PRIMARY KEY,
    evaluations_to_leave smallint NOT NULL CHECK (evaluations_to_leave IN (1, 2))
);

-- trader_labels: what each trader was called, from when until when, and why.
-- Written by: TraderLabels, a UTC day at a time.
CREATE TABLE trader_labels (
    user_address text   NOT NULL,
    rule_set     text   NOT NULL,
    valid_from   bigint NOT NULL,
    valid_to     bigint CHECK (valid_to > valid_from),
    trader_type  text   NOT NULL,
    rule         text   NOT NULL,
    inputs       jsonb  NOT NULL,
    PRIMARY KEY (user_address, rule_set, valid_from)
);
CREATE INDEX trader_labels_type ON trader_labels (rule_set, trader_type, valid_from);
-- What changed on a day.
CREATE INDEX trader_labels_from ON trader_labels (valid_from);
CREATE INDEX trader_labels_to ON trader_labels (valid_to);
COMMENT ON COLUMN trader_labels.valid_from IS 'ms, a midnight UTC: decided by what was known before it';
COMMENT ON COLUMN trader_labels.valid_to IS 'ms, not included; NULL: still so';
COMMENT ON COLUMN trader_labels.inputs IS 'values of the metrics that the rule set names, at valid_from';

-- label_evaluations: what the rules alone said, before `evaluations_to_leave`; columns likewise.
CREATE TABLE label_evaluations (
    user_address text   NOT NULL,
    rule_set     text   NOT NULL,
    valid_from   bigint NOT NULL,
    valid_to     bigint CHECK (valid_to > valid_from),
    trader_type  text   NOT NULL,
    rule         text   NOT NULL,
    PRIMARY KEY (user_address, rule_set, valid_from)
);
CREATE INDEX label_evaluations_from ON label_evaluations (valid_from);
CREATE INDEX label_evaluations_to ON label_evaluations (valid_to);

CREATE TABLE label_state (
    day        bigint PRIMARY KEY,
    built_from text   NOT NULL,
    row_count  bigint NOT NULL
);
COMMENT ON COLUMN label_state.row_count IS 'labels that changed when the day ended';
