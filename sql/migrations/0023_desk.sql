-- traders: whom we follow, or think of following, and by which settings.
-- Written by: Traders. Every change adds a row to trader_settings_history (a trigger).
-- The bounds of its numbers are CHECK constraints that the installer makes from vigil_core.
CREATE TABLE traders (
    trader_id                bigint   GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_address             text     CHECK (user_address ~ '^0x[0-9a-f]{40}$'),
    variant                  smallint NOT NULL DEFAULT 1 CHECK (variant >= 1),
    name                     text     NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    source                   text     NOT NULL CHECK (source IN ('address', 'leaderboard', 'telegram', 'manual', 'label')),
    source_ref               text     NOT NULL DEFAULT '',
    state                    text     NOT NULL DEFAULT 'evaluating' CHECK (state IN ('evaluating', 'paper', 'live_ready', 'archived')),
    active                   boolean  NOT NULL DEFAULT false,
    priority                 smallint NOT NULL,
    position_multiplier      numeric  NOT NULL,
    base_size_usd            numeric  NOT NULL,
    paper_capital_usd        numeric  NOT NULL,
    token_whitelist          text[]   NOT NULL DEFAULT '{}',
    token_blacklist          text[]   NOT NULL DEFAULT '{}',
    max_leverage             numeric  NOT NULL,
    min_confidence           numeric  NOT NULL,
    paper_trade_only         boolean  NOT NULL DEFAULT true,
    drawdown_limit           numeric,
    win_rate_limit           numeric,
    win_rate_min_trades      smallint NOT NULL,
    consecutive_losses_limit smallint,
    pause_automatically      boolean  NOT NULL DEFAULT false,
    promotion_days           smallint NOT NULL,
    promotion_trades         smallint NOT NULL,
    note                     text     NOT NULL DEFAULT '' CHECK (length(note) <= 2000),
    followed_from            bigint   NOT NULL,
    version                  integer  NOT NULL DEFAULT 1,
    effective_at             bigint   NOT NULL,
    created_at               bigint   NOT NULL,
    updated_at               bigint   NOT NULL,
    updated_by               text     NOT NULL,
    archived_at              bigint,
    CHECK (NOT token_whitelist && token_blacklist),
    CHECK ((state = 'archived') = (archived_at IS NOT NULL)),
    CHECK (state <> 'archived' OR NOT active),
    CHECK (state = 'live_ready' OR paper_trade_only)
);
-- One settings row per address and variant, of those that are not archived.
CREATE UNIQUE INDEX traders_followed ON traders (user_address, variant) WHERE archived_at IS NULL;
CREATE UNIQUE INDEX traders_named ON traders (lower(name)) WHERE archived_at IS NULL;
COMMENT ON COLUMN traders.user_address IS 'lower case; NULL: a source of signals without an address, such as a chat';
COMMENT ON COLUMN traders.variant IS '2 and more: the same address by other settings, on an account of its own';
COMMENT ON COLUMN traders.source_ref IS 'file, chat or rule set that the trader came from';
COMMENT ON COLUMN traders.followed_from IS 'ms of the data: signals before it are not followed';
COMMENT ON COLUMN traders.effective_at IS 'ms of the data that was known when this version was set: it holds for what came after';
COMMENT ON COLUMN traders.updated_at IS 'ms, the clock of the database';
COMMENT ON COLUMN traders.drawdown_limit IS 'percent of the highest equity, negative; NULL: no such alert';
COMMENT ON COLUMN traders.position_multiplier IS 'times base_size_usd';

-- trader_settings_history: every version of every trader's settings, and who made it.
CREATE TABLE trader_settings_history (
    trader_id    bigint  NOT NULL REFERENCES traders,
    version      integer NOT NULL,
    effective_at bigint  NOT NULL,
    changed_at   bigint  NOT NULL,
    changed_by   text    NOT NULL,
    old_values   jsonb,
    new_values   jsonb   NOT NULL,
    settings     jsonb   NOT NULL,
    PRIMARY KEY (trader_id, version)
);
CREATE INDEX trader_settings_history_at ON trader_settings_history (trader_id, effective_at);
COMMENT ON COLUMN trader_settings_history.old_values IS 'of the columns that changed; NULL for the first version';
COMMENT ON COLUMN trader_settings_history.settings IS 'the whole row as it was from then on';

-- signals: one intent of a followed trader each, and what the filter said; rejected ones are kept.
CREATE TABLE signals (
    signal_id        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trader_id        bigint  NOT NULL REFERENCES traders,
    source           text    NOT NULL CHECK (source IN ('fills', 'api', 'telegram', 'import')),
    source_key       text    NOT NULL,
    action           text    NOT NULL CHECK (action IN ('open', 'reduce', 'close')),
    coin             text    NOT NULL,
    side             text    NOT NULL CHECK (side IN ('buy', 'sell')),
    leader_time      bigint  NOT NULL,
    leader_px        numeric CHECK (leader_px > 0),
    leader_size      numeric CHECK (leader_size > 0),
    reduced_share    double precision CHECK (reduced_share > 0 AND reduced_share <= 1),
    leverage         double precision CHECK (leverage >= 0),
    confidence       double precision CHECK (confidence BETWEEN 0 AND 1),
    received_at      bigint  NOT NULL,
    settings_version integer,
    outcome          text    NOT NULL,
    size_usd         numeric NOT NULL DEFAULT 0,
    evidence         jsonb   NOT NULL DEFAULT '{}',
    UNIQUE (trader_id, source, source_key)
);
CREATE INDEX signals_time ON signals (trader_id, leader_time, signal_id);
COMMENT ON COLUMN signals.source_key IS 'what makes it the same signal when it comes again: order, message, or the caller''s key';
COMMENT ON COLUMN signals.side IS 'of the order: a long is opened by buy and closed by sell';
COMMENT ON COLUMN signals.reduced_share IS 'of the leader''s position, for reduce; 1 for close';
COMMENT ON COLUMN signals.leverage IS 'effective, of the leader''s account, before the order; NULL where not known';
COMMENT ON COLUMN signals.received_at IS 'ms of the data at which Vigil could know it';
COMMENT ON COLUMN signals.outcome IS 'paper, live, followed (a reduction of what was open), or the code of the test that rejected it';
COMMENT ON COLUMN signals.evidence IS 'orders and fills, or the message, that it was read from';

-- copies: one copied position each, on the trader's paper account.
CREATE TABLE copies (
    copy_id         bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    signal_id       bigint  NOT NULL UNIQUE REFERENCES signals ON DELETE CASCADE,
    trader_id       bigint  NOT NULL REFERENCES traders,
    mode            text    NOT NULL CHECK (mode IN ('paper', 'live')),
    coin            text    NOT NULL,
    side            text    NOT NULL CHECK (side IN ('long', 'short')),
    quantity        numeric NOT NULL CHECK (quantity > 0),
    open_quantity   numeric NOT NULL CHECK (open_quantity >= 0),
    leader_entry_at bigint  NOT NULL,
    submitted_at    bigint  NOT NULL,
    opened_at       bigint  NOT NULL,
    leader_entry_px numeric NOT NULL,
    entry_px        numeric NOT NULL,
    closed_at       bigint,
    leader_exit_px  numeric,
    exit_px         numeric,
    gross_at_leader_usd numeric NOT NULL DEFAULT 0,
    lag_usd         numeric NOT NULL DEFAULT 0,
    slippage_usd    numeric NOT NULL DEFAULT 0,
    fees_usd        numeric NOT NULL DEFAULT 0,
    funding_usd     numeric,
    net_pnl_usd     numeric,
    CHECK ((closed_at IS NULL) = (open_quantity > 0))
);
CREATE INDEX copies_trader ON copies (trader_id, opened_at);
COMMENT ON COLUMN copies.exit_px IS 'average over the pieces closed so far, as leader_exit_px';
COMMENT ON COLUMN copies.gross_at_leader_usd IS 'of the closed pieces, at the leader''s own prices, without any cost';
COMMENT ON COLUMN copies.lag_usd IS 'what the market moved against us between the leader''s fill and our order; positive is worse';
COMMENT ON COLUMN copies.slippage_usd IS 'what our own size paid beyond the price at our order; positive is worse';
COMMENT ON COLUMN copies.funding_usd IS 'positive was received; NULL where rates are missing';
COMMENT ON COLUMN copies.net_pnl_usd IS 'gross_at_leader - lag - slippage - fees + funding, exactly; NULL until closed';

-- copy_fills: the executions of a copy.
CREATE TABLE copy_fills (
    copy_id      bigint  NOT NULL REFERENCES copies ON DELETE CASCADE,
    n            integer NOT NULL,
    signal_id    bigint  NOT NULL,
    time         bigint  NOT NULL,
    side         text    NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity     numeric NOT NULL CHECK (quantity > 0),
    leader_px    numeric NOT NULL,
    arrival_px   numeric NOT NULL,
    px           numeric NOT NULL,
    fee_usd      numeric NOT NULL,
    PRIMARY KEY (copy_id, n)
);
COMMENT ON COLUMN copy_fills.arrival_px IS 'price on the tape when our order came';

-- trader_performance: the paper account of each followed trader, a UTC day each.
-- Written by: the asset of that name.
CREATE TABLE trader_performance (
    trader_id       bigint  NOT NULL REFERENCES traders,
    date            date    NOT NULL,
    signals_count   integer NOT NULL,
    trades_executed integer NOT NULL,
    win_count       integer NOT NULL,
    loss_count      integer NOT NULL,
    pnl             numeric NOT NULL,
    leverage_avg    double precision,
    equity_usd      numeric,
    unrealized_usd  numeric,
    fees_usd        numeric NOT NULL,
    funding_usd     numeric,
    PRIMARY KEY (trader_id, date)
);
COMMENT ON COLUMN trader_performance.pnl IS 'USD, net, of copies closed on the day';
COMMENT ON COLUMN trader_performance.equity_usd IS 'at the day''s end, marked; NULL where a mark is missing';

-- trader_risk: risk of each followed trader's paper account and of the leader, at a day's end.
CREATE TABLE trader_risk (
    trader_id          bigint NOT NULL REFERENCES traders,
    date               date   NOT NULL,
    current_drawdown   double precision,
    max_drawdown       double precision,
    win_rate           double precision,
    decided_trades     integer NOT NULL,
    consecutive_losses integer NOT NULL,
    open_notional_usd  numeric,
    risk_score         double precision,
    risk_score_reason  text,
    components         jsonb NOT NULL,
    PRIMARY KEY (trader_id, date)
);

-- desk_state: what a day of the desk was built of.
CREATE TABLE desk_state (
    day        bigint NOT NULL,
    relation   text   NOT NULL,
    built_from text   NOT NULL,
    row_count  bigint NOT NULL,
    PRIMARY KEY (relation, day)
);

-- alerts: a limit that was crossed. Once per crossing: the next one needs a recovery first.
CREATE TABLE alerts (
    alert_id        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trader_id       bigint  NOT NULL REFERENCES traders,
    rule            text    NOT NULL CHECK (rule IN ('drawdown_exceeded', 'win_rate_below', 'consecutive_losses')),
    limit_value     double precision NOT NULL,
    value           double precision NOT NULL,
    as_of           bigint  NOT NULL,
    fired_at        bigint  NOT NULL,
    paused          boolean NOT NULL,
    recovered_at    bigint,
    acknowledged_at bigint,
    acknowledged_by text
);
CREATE UNIQUE INDEX alerts_once ON alerts (trader_id, rule) WHERE recovered_at IS NULL;
COMMENT ON COLUMN alerts.as_of IS 'ms of the data';
COMMENT ON COLUMN alerts.paused IS 'the trader was switched off by it, in the same transaction';

-- promotions: decisions about live-readiness, with the evidence they stand on.
CREATE TABLE promotions (
    trader_id  bigint  NOT NULL REFERENCES traders,
    decided_at bigint  NOT NULL,
    decided_by text    NOT NULL,
    as_of      bigint  NOT NULL,
    passed     boolean NOT NULL,
    evidence   jsonb   NOT NULL,
    PRIMARY KEY (trader_id, decided_at)
);

-- intents: what an executor should do for live-ready traders. Vigil sends no orders.
CREATE TABLE intents (
    intent_id       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    signal_id       bigint  NOT NULL UNIQUE REFERENCES signals,
    trader_id       bigint  NOT NULL REFERENCES traders,
    body            jsonb   NOT NULL,
    created_at      bigint  NOT NULL,
    acknowledged_at bigint,
    acknowledged_by text
);

-- deliveries: what has to reach somebody, until it has. Written in the transaction of its cause.
CREATE TABLE deliveries (
    delivery_id  bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text    NOT NULL CHECK (kind IN ('alert', 'intent')),
    subject_id   bigint  NOT NULL,
    channel      text    NOT NULL CHECK (channel IN ('webhook', 'email')),
    payload      jsonb   NOT NULL,
    created_at   bigint  NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    next_attempt bigint  NOT NULL,
    delivered_at bigint,
    last_error   text,
    UNIQUE (kind, subject_id, channel)
);
CREATE INDEX deliveries_due ON deliveries (next_attempt) WHERE delivered_at IS NULL;

-- backtests: requests with all they depend on, and what came out: the same gives the same bytes.
CREATE TABLE backtests (
    backtest_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request        jsonb  NOT NULL,
    request_sha256 text   NOT NULL,
    inputs_digest  text,
    status         text   NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'done', 'failed')),
    progress       double precision NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 1),
    requested_at   bigint NOT NULL,
    requested_by   text   NOT NULL,
    started_at     bigint,
    finished_at    bigint,
    run_id         text,
    summary        jsonb,
    result         text,
    result_sha256  text,
    error          text,
    CHECK ((status = 'done') = (result IS NOT NULL)),
    CHECK ((status = 'failed') = (error IS NOT NULL))
);
CREATE INDEX backtests_request ON backtests (request_sha256, inputs_digest);
COMMENT ON COLUMN backtests.inputs_digest IS 'fingerprint of the days, labels and code it was computed from';
COMMENT ON COLUMN backtests.result IS 'canonical JSON, as it is handed out';

-- chat_messages: every message of an imported or polled chat, parsed or not.
CREATE TABLE chat_messages (
    chat_id     text   NOT NULL,
    message_id  bigint NOT NULL,
    trader_id   bigint REFERENCES traders,
    posted_at   bigint NOT NULL,
    author      text   NOT NULL DEFAULT '',
    text        text   NOT NULL,
    imported_at bigint NOT NULL,
    parsed      jsonb,
    confidence  double precision,
    reason      text,
    PRIMARY KEY (chat_id, message_id),
    CHECK ((parsed IS NULL) <> (reason IS NULL))
);
COMMENT ON COLUMN chat_messages.reason IS 'why no signal could be read from it';

-- imports: files that people brought, and what became of their lines.
CREATE TABLE imports (
    import_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text   NOT NULL CHECK (kind IN ('leaderboard', 'telegram', 'signals')),
    file_name   text   NOT NULL,
    sha256      text   NOT NULL,
    imported_at bigint NOT NULL,
    imported_by text   NOT NULL,
    rows        bigint NOT NULL,
    rejected    jsonb  NOT NULL,
    UNIQUE (kind, sha256)
);
COMMENT ON COLUMN imports.rejected IS 'line and reason of each line that was not taken';

CREATE TABLE leaderboard_entries (
    import_id    bigint NOT NULL REFERENCES imports ON DELETE CASCADE,
    n            integer NOT NULL,
    user_address text   NOT NULL,
    display_name text   NOT NULL DEFAULT '',
    figures      jsonb  NOT NULL,
    PRIMARY KEY (import_id, n)
);
COMMENT ON COLUMN leaderboard_entries.figures IS 'what the board claims; ours are beside it, never mixed';

-- api_keys: who may call. The secret itself is shown once and stored nowhere.
CREATE TABLE api_keys (
    key_id        text   PRIMARY KEY,
    secret_sha256 text   NOT NULL,
    label         text   NOT NULL,
    scopes        text[] NOT NULL CHECK (scopes <@ ARRAY['read', 'manage', 'admin'] AND scopes <> '{}'),
    created_at    bigint NOT NULL,
    expires_at    bigint,
    revoked_at    bigint,
    last_used_at  bigint
);

CREATE TABLE api_sessions (
    session_sha256 text   PRIMARY KEY,
    key_id         text   NOT NULL REFERENCES api_keys,
    created_at     bigint NOT NULL,
    expires_at     bigint NOT NULL
);

-- idempotency_keys: answers already given, for a day.
CREATE TABLE idempotency_keys (
    caller      text   NOT NULL,
    route       text   NOT NULL,
    key         text   NOT NULL,
    body_sha256 text   NOT NULL,
    status      integer,
    headers     jsonb,
    answer      text,
    created_at  bigint NOT NULL,
    PRIMARY KEY (caller, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
