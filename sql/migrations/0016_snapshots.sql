-- feature_snapshots: one row per coin and five minutes: what could be known at that instant.
-- snapshot_labels: what came after it; never an input.
-- Written by: Snapshots, a UTC day at a time.
CREATE TABLE oi_changes (
    day         bigint  NOT NULL,
    coin        text    NOT NULL,
    start_at    bigint  NOT NULL,
    end_at      bigint  NOT NULL,
    change_base numeric NOT NULL,
    PRIMARY KEY (coin, start_at)
);
CREATE INDEX oi_changes_day ON oi_changes (day);
COMMENT ON TABLE oi_changes IS 'Change of the sum of all long positions, base units, in [start_at, end_at): cut at marks of five minutes and at balances snapshots';

CREATE TABLE feature_snapshots (
    day                        bigint NOT NULL,
    origin                     text NOT NULL CHECK (origin IN ('live', 'backfill')),
    coin                       text NOT NULL,
    snapshot_at                bigint NOT NULL,
    liq_magnet_direction       double precision,
    oi_vs_7d_avg_ratio         double precision,
    liq_cascade_active         double precision,
    liq_1h_vs_4h_avg           double precision,
    funding_vs_30d_zscore      double precision,
    hours_to_funding           double precision NOT NULL,
    oi_funding_pressure        double precision,
    cvd_normalized_5m          double precision,
    price_change_5m_pct        double precision,
    volume_vs_1h_avg_ratio     double precision,
    realized_vol_1h            double precision,
    sessions_overlapping       double precision NOT NULL,
    liq_magnet_avail           integer NOT NULL,
    oi_7d_avail                integer NOT NULL,
    liq_cascade_avail          integer NOT NULL,
    liq_ratio_avail            integer NOT NULL,
    funding_zscore_avail       integer NOT NULL,
    oi_funding_pressure_avail  integer NOT NULL,
    cvd_avail                  integer NOT NULL,
    price_change_5m_avail      integer NOT NULL,
    volume_avail               integer NOT NULL,
    realized_vol_avail         integer NOT NULL,
    reasons                    jsonb NOT NULL,
    price                      numeric,
    magnet_age_ms              bigint,
    oi_kind                    text,
    oi_age_ms                  bigint,
    input_max_time             bigint,
    feature_version            text NOT NULL,
    PRIMARY KEY (coin, snapshot_at, origin, feature_version),
    CHECK (input_max_time < snapshot_at)
);
CREATE INDEX feature_snapshots_day ON feature_snapshots (day);
COMMENT ON COLUMN feature_snapshots.reasons IS 'feature -> why it is NULL';
COMMENT ON COLUMN feature_snapshots.price IS 'close of the five minutes that end at the snapshot';
COMMENT ON COLUMN feature_snapshots.input_max_time IS 'largest time of any row that a feature was made of';

CREATE TABLE snapshot_labels (
    day                        bigint NOT NULL,
    coin                       text NOT NULL,
    snapshot_at                bigint NOT NULL,
    label_version              text NOT NULL,
    entry_price                numeric,
    best_long_roe_15m_gross    double precision,
    best_short_roe_15m_gross   double precision,
    ret_15m                    double precision,
    best_long_roe_30m_gross    double precision,
    best_short_roe_30m_gross   double precision,
    ret_30m                    double precision,
    best_long_roe_1h_gross     double precision,
    best_short_roe_1h_gross    double precision,
    ret_1h                     double precision,
    best_long_roe_4h_gross     double precision,
    best_short_roe_4h_gross    double precision,
    ret_4h                     double precision,
    best_long_roe_30m_net      double precision,
    best_short_roe_30m_net     double precision,
    worst_long_mae_30m         double precision,
    worst_short_mae_30m        double precision,
    label_long_net0            integer,
    label_long_net1            integer,
    label_long_net2            integer,
    label_long_net3            integer,
    label_long_net5            integer,
    label_short_net0           integer,
    label_short_net1           integer,
    label_short_net2           integer,
    label_short_net3           integer,
    label_short_net5           integer,
    long_wiped_at_4h           bigint,
    short_wiped_at_4h          bigint,
    wiped_at_4h_reason         text,
    entry_price_next           numeric,
    entry_price_next_reason    text,
    ret_next_15m               double precision,
    ret_next_30m               double precision,
    ret_next_1h                double precision,
    ret_next_4h                double precision,
    status_15m                 text NOT NULL,
    status_30m                 text NOT NULL,
    status_1h                  text NOT NULL,
    status_4h                  text NOT NULL,
    label_status               text NOT NULL,
    label_end_at               bigint NOT NULL,
    PRIMARY KEY (coin, snapshot_at, label_version)
);
CREATE INDEX snapshot_labels_day ON snapshot_labels (day);
COMMENT ON TABLE snapshot_labels IS 'Best, worst and last outcome at 20 x within 15 m, 30 m, 1 h and 4 h; best_* assumes leaving at the best price';
COMMENT ON COLUMN snapshot_labels.label_status IS 'pending: candles are still to come; unavailable: they never will';
