-- published_traders: one row per trader known, with the figures that lists are sorted and filtered
-- by, as of the last day built. What all of them are made of stands in trader_totals; one trader's,
-- as of any day, are asked of the functions. Written by: PublishedTraders, all rows at once.
CREATE TABLE published_traders (
    user_address                    text    PRIMARY KEY,
    trader_type                     text    NOT NULL,
    trader_type_rule                text    NOT NULL,
    our_trader_type                 text    NOT NULL,
    first_day                       bigint  NOT NULL,
    last_day                        bigint  NOT NULL,
    calendar_days                   bigint  NOT NULL,
    trading_days                    bigint  NOT NULL,
    n_obs                           bigint  NOT NULL,
    publishable                     boolean NOT NULL,
    pnl_basis                       text    NOT NULL,
    volume_usd                      numeric NOT NULL,
    net_pnl                         numeric,
    net_pnl_reason                  text,
    closed_trades                   bigint  NOT NULL,
    roi_30d                         double precision,
    roi_30d_reason                  text,
    roi_90d                         double precision,
    roi_90d_reason                  text,
    roi_all                         double precision,
    roi_all_reason                  text,
    sharpe_ratio                    double precision,
    sharpe_ratio_reason             text,
    sharpe_lower                    double precision,
    sharpe_upper                    double precision,
    win_rate                        double precision,
    win_rate_reason                 text,
    win_rate_lower                  double precision,
    win_rate_upper                  double precision,
    max_drawdown                    double precision,
    max_drawdown_reason             text,
    avg_leverage                    double precision,
    avg_leverage_reason             text,
    diversification_score           double precision,
    diversification_score_reason    text,
    coins                           text[]     NOT NULL,
    curve_days                      smallint[] NOT NULL,
    curve_usd                       real[]     NOT NULL,
    curve_before_usd                double precision NOT NULL,
    percentile_sharpe_ratio         double precision,
    percentile_roi                  double precision,
    percentile_max_drawdown         double precision,
    percentile_win_rate             double precision,
    percentile_avg_leverage         double precision,
    percentile_diversification_score double precision
);
COMMENT ON COLUMN published_traders.trader_type IS 'by rule set seed_100k, at as_of; UNCLASSIFIED without a label';
COMMENT ON COLUMN published_traders.our_trader_type IS 'by rule set vigil_v1';
COMMENT ON COLUMN published_traders.last_day IS 'ms; the last day on which he traded or held a position';
COMMENT ON COLUMN published_traders.roi_30d IS 'on the largest gross exposure of the window, as all three';
COMMENT ON COLUMN published_traders.coins IS 'perps he traded, the one with most fills first';
COMMENT ON COLUMN published_traders.curve_days IS 'days before as_of, 180 at most, of up to sixty days with a row; in between nothing is said';
COMMENT ON COLUMN published_traders.curve_usd IS 'result gathered until that day''s end since the first day known';
COMMENT ON COLUMN published_traders.curve_before_usd IS 'likewise, 180 days before as_of';
COMMENT ON COLUMN published_traders.percentile_max_drawdown IS 'share of the universe that fell deeper, 0 to 1: 1 is best on every axis';
COMMENT ON COLUMN published_traders.percentile_avg_leverage IS 'share of the universe with more leverage';

-- Lists go on behind (key, user_address); what is undefined stands last in both directions.
CREATE INDEX published_traders_volume_up   ON published_traders (coalesce(volume_usd, 'Infinity'), user_address);
CREATE INDEX published_traders_volume_down ON published_traders (coalesce(volume_usd, '-Infinity'), user_address);
CREATE INDEX published_traders_net_up      ON published_traders (coalesce(net_pnl, 'Infinity'), user_address);
CREATE INDEX published_traders_net_down    ON published_traders (coalesce(net_pnl, '-Infinity'), user_address);
CREATE INDEX published_traders_30d_up      ON published_traders (coalesce(roi_30d, 'Infinity'), user_address);
CREATE INDEX published_traders_30d_down    ON published_traders (coalesce(roi_30d, '-Infinity'), user_address);
CREATE INDEX published_traders_90d_up      ON published_traders (coalesce(roi_90d, 'Infinity'), user_address);
CREATE INDEX published_traders_90d_down    ON published_traders (coalesce(roi_90d, '-Infinity'), user_address);
CREATE INDEX published_traders_roi_up      ON published_traders (coalesce(roi_all, 'Infinity'), user_address);
CREATE INDEX published_traders_roi_down    ON published_traders (coalesce(roi_all, '-Infinity'), user_address);
CREATE INDEX published_traders_sharpe_up   ON published_traders (coalesce(sharpe_ratio, 'Infinity'), user_address);
CREATE INDEX published_traders_sharpe_down ON published_traders (coalesce(sharpe_ratio, '-Infinity'), user_address);
CREATE INDEX published_traders_win_up      ON published_traders (coalesce(win_rate, 'Infinity'), user_address);
CREATE INDEX published_traders_win_down    ON published_traders (coalesce(win_rate, '-Infinity'), user_address);
CREATE INDEX published_traders_fall_up     ON published_traders (coalesce(max_drawdown, 'Infinity'), user_address);
CREATE INDEX published_traders_fall_down   ON published_traders (coalesce(max_drawdown, '-Infinity'), user_address);
CREATE INDEX published_traders_coins       ON published_traders USING gin (coins);
CREATE INDEX published_traders_type        ON published_traders (trader_type);

-- published_state: one row, what the published figures were made of, and what is said of all of them.
CREATE TABLE published_state (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    as_of          bigint  NOT NULL,
    built_from     text    NOT NULL,
    row_count      bigint  NOT NULL,
    universe       text    NOT NULL CHECK (universe IN ('publishable', 'all')),
    universe_count bigint  NOT NULL,
    types          jsonb   NOT NULL,
    figures        jsonb   NOT NULL,
    class_changes  jsonb   NOT NULL,
    built_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN published_state.as_of IS 'ms: the end of the last day built';
COMMENT ON COLUMN published_state.universe IS 'whom percentiles are of: those with enough observations, or all while nobody has them';
COMMENT ON COLUMN published_state.types IS 'traders by trader_type';
COMMENT ON COLUMN published_state.figures IS 'seed_audit, a line a figure';
COMMENT ON COLUMN published_state.class_changes IS 'traders by [class of the seeds, ours]';
