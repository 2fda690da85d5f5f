-- persistence_test: one row per day's end, variant and statistic: what a ranking of traders says
-- about the time after it, over all pairs of windows before that end (metrics.md 13.3).
-- persistence_rolls: one row per day's end, variant and pair of windows.
-- Written by: PersistenceTests, by way of ArtemisTables; what a day was made of is in artemis_state.
CREATE TABLE persistence_test (
    day            bigint  NOT NULL CHECK (day % 86400000 = 0),
    as_of          bigint  NOT NULL,
    variant        text    NOT NULL,
    statistic      text    NOT NULL,
    value          double precision,
    low            double precision,
    high           double precision,
    corrected_low  double precision,
    corrected_high double precision,
    n              bigint  NOT NULL,
    blocks         bigint  NOT NULL,
    verdict        text CHECK (verdict IN ('above', 'below', 'not_shown')),
    reason         text,
    is_simulated   boolean NOT NULL,
    PRIMARY KEY (day, variant, statistic)
);
COMMENT ON COLUMN persistence_test.as_of IS 'ms; the end of day: only days before it count';
COMMENT ON COLUMN persistence_test.variant IS 'what traders are ranked by > what is looked at afterwards; all that are tried are here';
COMMENT ON COLUMN persistence_test.value IS 'mean over the pairs of windows; NULL: see reason';
COMMENT ON COLUMN persistence_test.low IS '95 % interval: bootstrap of blocks of a month, widened for their small number; NULL: see reason';
COMMENT ON COLUMN persistence_test.corrected_low IS 'the same, corrected for the number of variants (Bonferroni)';
COMMENT ON COLUMN persistence_test.n IS 'pairs of windows with a figure';
COMMENT ON COLUMN persistence_test.verdict IS 'where the corrected interval lies, for statistics that are 0 without skill; NULL without one';
COMMENT ON COLUMN persistence_test.is_simulated IS 'one of the days is simulated';

CREATE TABLE persistence_rolls (
    day                 bigint  NOT NULL CHECK (day % 86400000 = 0),
    as_of               bigint  NOT NULL,
    variant             text    NOT NULL,
    roll                bigint  NOT NULL,
    formation_start     bigint  NOT NULL,
    formation_end       bigint  NOT NULL,
    evaluation_start    bigint  NOT NULL,
    evaluation_end      bigint  NOT NULL,
    n                   bigint  NOT NULL,
    rank_ic             double precision,
    top_n               bigint  NOT NULL,
    top_repeat_rate     double precision,
    chance_rate         double precision,
    mirror_repeat_rate  double precision,
    top_mean_evaluation double precision,
    all_mean_evaluation double precision,
    top_positive_share  double precision,
    all_positive_share  double precision,
    stopped_share       double precision,
    top_stopped_share   double precision,
    survivor_rank_ic    double precision,
    survivor_top_mean   double precision,
    survivor_all_mean   double precision,
    top_deflated_sharpe double precision,
    left_out            bigint,
    reason              text,
    is_simulated        boolean NOT NULL,
    PRIMARY KEY (day, variant, roll)
);
COMMENT ON COLUMN persistence_rolls.formation_start IS 'ms; windows are half-open';
COMMENT ON COLUMN persistence_rolls.n IS 'traders, fixed at the end of the formation; who stopped stays in, with 0';
COMMENT ON COLUMN persistence_rolls.chance_rate IS 'top_n / n: what top_repeat_rate is by chance, were all results of one size';
COMMENT ON COLUMN persistence_rolls.mirror_repeat_rate IS 'share of as many with the lowest scores among the best of the evaluation';
COMMENT ON COLUMN persistence_rolls.top_mean_evaluation IS 'in the unit of the outcome: USD, fraction of the volume, or annualised Sharpe ratio';
COMMENT ON COLUMN persistence_rolls.survivor_rank_ic IS 'among those that did not stop, which is known afterwards only';
COMMENT ON COLUMN persistence_rolls.top_deflated_sharpe IS 'median over the top group, of its formation: probability that the true ratio exceeds what the best of n get by luck';
COMMENT ON COLUMN persistence_rolls.left_out IS 'traders whose figures are not fully known in both windows, or whose outcome is not defined';
