-- reconciliation: one row per UTC day and invariant: what was asked of the day, and what was found.
-- Written by: Reconciliation, a day at a time. What a day was checked against is kept in
-- artemis_state, under the table's name: a day whose fills changed is stale.
CREATE TABLE reconciliation (
    day       bigint NOT NULL CHECK (day % 86400000 = 0),
    invariant text   NOT NULL,
    severity  text   NOT NULL CHECK (severity IN ('error', 'warning')),
    status    text   NOT NULL CHECK (status IN ('held', 'failed', 'not_checked')),
    reason    text,
    checked   bigint,
    failed    bigint,
    measure   numeric,
    counts    jsonb  NOT NULL,
    examples  jsonb  NOT NULL CHECK (jsonb_array_length(examples) <= 10),
    PRIMARY KEY (day, invariant),
    CHECK ((status = 'not_checked') = (reason IS NOT NULL)),
    CHECK ((status = 'not_checked') = (failed IS NULL))
);
COMMENT ON COLUMN reconciliation.severity IS 'error: what is built of the day would be wrong, and is not built; warning: a fact of the source, shown';
COMMENT ON COLUMN reconciliation.reason IS 'why it could not be checked: a code of the metrics';
COMMENT ON COLUMN reconciliation.checked IS 'rows, trades, coins, hours, objects or accounts looked at';
COMMENT ON COLUMN reconciliation.failed IS 'of these, the ones that broke the invariant without an explanation; NULL where not checked';
COMMENT ON COLUMN reconciliation.measure IS 'how much it is about; what of, each statement in sql/queries/reconciliation says';
COMMENT ON COLUMN reconciliation.counts IS 'what was counted beside: explained by dust, deleveraging, settlement and the like';
COMMENT ON COLUMN reconciliation.examples IS 'at most ten, with the keys that find the rows';

-- account_reconciliation: one row per address with a balances snapshot on the day and on the day
-- before: whether its equity moved by what is known to move it. Written by: Reconciliation.
CREATE TABLE account_reconciliation (
    day                    bigint  NOT NULL,
    user_address           text    NOT NULL,
    start_at               bigint  NOT NULL,
    end_at                 bigint  NOT NULL,
    equity_start_usd       numeric,
    equity_end_usd         numeric,
    gross_realized_pnl_usd numeric,
    fees_usd               numeric,
    funding_usd            numeric,
    unrealized_start_usd   numeric,
    unrealized_end_usd     numeric,
    net_flows_usd          numeric,
    residual_usd           numeric,
    tolerance_usd          numeric,
    status                 text    NOT NULL CHECK (status IN ('reconciled', 'unreconciled', 'incomplete')),
    missing                text[]  NOT NULL,
    reason                 text,
    PRIMARY KEY (day, user_address),
    CHECK ((status = 'incomplete') = (residual_usd IS NULL))
);
COMMENT ON COLUMN account_reconciliation.start_at IS 'ms since the epoch, UTC: the snapshot of the day before; fills in [start_at, end_at) are counted';
COMMENT ON COLUMN account_reconciliation.equity_start_usd IS 'perp account value as recorded; of a unified account it is not the equity';
COMMENT ON COLUMN account_reconciliation.funding_usd IS 'positive: received; 0 where no perp was held, else NULL: what was paid is not in the data';
COMMENT ON COLUMN account_reconciliation.net_flows_usd IS 'deposits less withdrawals; NULL: transfers are not in the data';
COMMENT ON COLUMN account_reconciliation.missing IS 'components that are not known';
