-- What the exchange tells of single accounts: of those that are watched, and over the stretches of
-- time in account_coverage alone. Written by: AccountHistory, a stretch of one account at a time.
-- Times are ms since the epoch, UTC.
CREATE TABLE account_funding (
    user_address text    NOT NULL,
    time         bigint  NOT NULL,
    coin         text    NOT NULL,
    usdc         numeric NOT NULL,
    szi          numeric NOT NULL,
    funding_rate numeric NOT NULL,
    samples      bigint,
    until        bigint  NOT NULL CHECK (until > time),
    hash         text    NOT NULL,
    PRIMARY KEY (user_address, time, coin)
);
CREATE INDEX account_funding_time ON account_funding (time);
COMMENT ON TABLE account_funding IS 'One row per payment of an account, or per UTC day and coin where the exchange has summed them';
COMMENT ON COLUMN account_funding.usdc IS 'positive: received';
COMMENT ON COLUMN account_funding.szi IS 'signed position, base units; of a summed row, its mean';
COMMENT ON COLUMN account_funding.samples IS 'payments summed in the row; NULL: one';
COMMENT ON COLUMN account_funding.until IS 'the row holds payments in [time, until): a summed one is stamped with the start of its day, and known at its end';

CREATE TABLE account_flows (
    user_address text   NOT NULL,
    time         bigint NOT NULL,
    hash         text   NOT NULL,
    seq          bigint NOT NULL,
    kind         text   NOT NULL,
    usd          numeric,
    delta        jsonb  NOT NULL,
    PRIMARY KEY (user_address, time, hash, seq)
);
CREATE INDEX account_flows_time ON account_flows (time);
COMMENT ON TABLE account_flows IS 'One row per update of an account''s ledger, trades and funding aside';
COMMENT ON COLUMN account_flows.seq IS 'from 1, among updates of one time and hash';
COMMENT ON COLUMN account_flows.usd IS 'what it brought into the core clearing house, negative: took out; 0: nothing there; NULL: not told, and no sum over it is known';
COMMENT ON COLUMN account_flows.delta IS 'as the exchange wrote it';

CREATE TABLE account_coverage (
    user_address  text   NOT NULL,
    kind          text   NOT NULL CHECK (kind IN ('funding', 'ledger')),
    covered_from  bigint NOT NULL CHECK (covered_from % 86400000 = 0),
    covered_until bigint NOT NULL CHECK (covered_until % 86400000 = 0),
    PRIMARY KEY (user_address, kind, covered_from),
    CHECK (covered_from < covered_until)
);
COMMENT ON TABLE account_coverage IS 'Stretches [covered_from, covered_until) that the exchange was asked for; those of one account and kind do not touch';

CREATE TABLE account_modes (
    user_address text   NOT NULL,
    observed_at  bigint NOT NULL,
    mode         text   NOT NULL,
    PRIMARY KEY (user_address, observed_at)
);
COMMENT ON TABLE account_modes IS 'How an account''s balances were kept when it was asked for; a row for the first answer, and for each that differs from the one before';
COMMENT ON COLUMN account_modes.mode IS 'default and disabled keep perp collateral apart, so that its account value is the equity; in all others it is not';

COMMENT ON COLUMN account_reconciliation.equity_start_usd IS 'perp account value as recorded; NULL of an account seen in a mode in which that is not its equity';
COMMENT ON COLUMN account_reconciliation.funding_usd IS 'positive: received; NULL where it was not asked for, unless no perp was held';
COMMENT ON COLUMN account_reconciliation.net_flows_usd IS 'deposits less withdrawals of the core clearing house; NULL where it was not asked for, or is not told';
