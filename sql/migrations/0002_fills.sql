-- fills: one row per side of a trade. One partition per UTC day of `time`, in schema fill_days.
-- Written by: Warehouse.load_day, a whole day at a time.
-- Fixed-width columns first: JSON's order would cost 4 to 6 % more room.
CREATE TABLE fills (
    time           bigint  NOT NULL,
    block_number   bigint,
    block_time     bigint,
    oid            bigint,
    tid            bigint,
    twap_id        bigint,
    event_index    integer,
    crossed        boolean,
    user_address   text    NOT NULL,
    coin           text    NOT NULL,
    side           text    NOT NULL CHECK (side IN ('A', 'B')),
    dir            text,
    px             numeric NOT NULL CHECK (px >= 0),
    sz             numeric NOT NULL CHECK (sz >= 0),
    start_position numeric,
    closed_pnl     numeric,
    fee            numeric,
    fee_token      text,
    hash           text,
    cloid          text,
    builder        text,
    builder_fee    numeric,
    deployer_fee   numeric,
    priority_gas   numeric,
    liquidation    jsonb,
    extra          jsonb
) PARTITION BY RANGE (time);

CREATE SCHEMA fill_days;

-- What the recorded data prove unique. Older formats lack tid; NULL counts as a value here.
CREATE UNIQUE INDEX fills_key ON fills (time, user_address, coin, oid, tid) NULLS NOT DISTINCT;
-- A trader's history.
CREATE INDEX fills_user_time ON fills (user_address, time);
-- Liquidations are some percent of the rows, and asked for by time.
CREATE INDEX fills_liquidation ON fills (time) WHERE liquidation IS NOT NULL;

COMMENT ON TABLE fills IS 'One row per side of a trade; every fill once';
COMMENT ON COLUMN fills.time IS 'ms since the epoch, UTC; the block''s time';
COMMENT ON COLUMN fills.block_time IS 'ns since the epoch, UTC; cut to ms it is time';
COMMENT ON COLUMN fills.event_index IS '0-based place in the block: (block_number, event_index) is the order of execution';
COMMENT ON COLUMN fills.user_address IS 'the trader, lower case';
COMMENT ON COLUMN fills.coin IS 'as the exchange writes it: BTC, @107 and PURR/USDC (spot), xyz:TSLA (builder perp)';
COMMENT ON COLUMN fills.side IS 'B: this trader bought; A: sold';
COMMENT ON COLUMN fills.dir IS 'the exchange''s label, an open set; never a source of signs';
COMMENT ON COLUMN fills.crossed IS 'true: taker';
COMMENT ON COLUMN fills.px IS 'price in the quote token';
COMMENT ON COLUMN fills.sz IS 'base units';
COMMENT ON COLUMN fills.start_position IS 'signed position (perp) or balance (spot) before this fill; the exchange prints float noise of up to 1e-9';
COMMENT ON COLUMN fills.closed_pnl IS 'realized PnL of the closed part, before fees and funding';
COMMENT ON COLUMN fills.fee IS 'in fee_token; holds builder_fee and deployer_fee; negative is a rebate';
COMMENT ON COLUMN fills.liquidation IS '{liquidatedUser, markPx, method}; on both sides of the trade';
COMMENT ON COLUMN fills.extra IS 'keys of the record that this version of Vigil does not know';
