-- What the exchange's WebSocket told before its files did. Written by: LiveStore, a batch of
-- messages in one transaction. Plain tables on both engines: rows of final days leave them.
-- Times are ms since the epoch, UTC; those that end in _at are of Vigil's own clock.

-- live_fills: fills of watched accounts, by the key of `fills`.
CREATE TABLE live_fills (
    time           bigint  NOT NULL,
    received_at    bigint  NOT NULL,
    oid            bigint  NOT NULL,
    tid            bigint  NOT NULL,
    twap_id        bigint,
    crossed        boolean NOT NULL,
    user_address   text    NOT NULL,
    coin           text    NOT NULL,
    side           text    NOT NULL CHECK (side IN ('A', 'B')),
    dir            text    NOT NULL,
    px             numeric NOT NULL CHECK (px >= 0),
    sz             numeric NOT NULL CHECK (sz >= 0),
    start_position numeric NOT NULL,
    closed_pnl     numeric NOT NULL,
    fee            numeric NOT NULL,
    fee_token      text    NOT NULL,
    hash           text    NOT NULL,
    cloid          text,
    builder        text,
    builder_fee    numeric,
    deployer_fee   numeric,
    priority_gas   numeric,
    liquidation    jsonb,
    extra          jsonb,
    PRIMARY KEY (time, user_address, coin, oid, tid)
);
CREATE INDEX live_fills_user_time ON live_fills (user_address, time);
CREATE INDEX live_fills_coin_time ON live_fills (coin, time);
COMMENT ON TABLE live_fills IS 'Fills of watched accounts as the exchange streamed them, each once; kept until a final day confirms them';

-- live_trades: trades of watched coins, both parties in one row.
CREATE TABLE live_trades (
    time        bigint  NOT NULL,
    received_at bigint  NOT NULL,
    tid         bigint  NOT NULL,
    coin        text    NOT NULL,
    side        text    NOT NULL CHECK (side IN ('A', 'B')),
    px          numeric NOT NULL CHECK (px >= 0),
    sz          numeric NOT NULL CHECK (sz >= 0),
    hash        text    NOT NULL,
    buyer       text    NOT NULL,
    seller      text    NOT NULL,
    PRIMARY KEY (coin, time, tid)
);
COMMENT ON COLUMN live_trades.side IS 'the taker''s: B bought, A sold';

-- live_streams: one row per subscription and stretch of time in which it was wanted.
CREATE TABLE live_streams (
    stream_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind            text   NOT NULL CHECK (kind IN ('fills', 'twap_fills', 'trades')),
    subject         text   NOT NULL,
    since           bigint,
    until           bigint,
    known_until     bigint,
    subscribed_at   bigint,
    last_message_at bigint,
    lag_ms          bigint,
    stored          bigint NOT NULL DEFAULT 0,
    repeated        bigint NOT NULL DEFAULT 0,
    rejected        bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX live_streams_wanted ON live_streams (kind, subject) WHERE until IS NULL;
COMMENT ON COLUMN live_streams.subject IS 'address of an account, or coin';
COMMENT ON COLUMN live_streams.since IS 'the exchange''s time of the first row: from there on nothing is missing but what live_gaps names; NULL before it came';
COMMENT ON COLUMN live_streams.until IS 'the stretch ended there; NULL: still wanted';
COMMENT ON COLUMN live_streams.known_until IS 'the exchange''s time of the newest row that follows on what was known before, or on a gap';
COMMENT ON COLUMN live_streams.subscribed_at IS 'when the exchange confirmed it, in the running connection; NULL while there is none';
COMMENT ON COLUMN live_streams.lag_ms IS 'our clock at the last message, less the exchange''s time in it';
COMMENT ON COLUMN live_streams.repeated IS 'rows that came again';

-- live_sessions: one row per process that listened.
CREATE TABLE live_sessions (
    session_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at   bigint NOT NULL,
    connected_at bigint,
    heard_at     bigint,
    ended_at     bigint,
    connections  bigint NOT NULL DEFAULT 0,
    messages     bigint NOT NULL DEFAULT 0
);
COMMENT ON COLUMN live_sessions.connected_at IS 'of the running connection; NULL while there is none';
COMMENT ON COLUMN live_sessions.heard_at IS 'last sign of life that was written down; an answer to a ping is one';
COMMENT ON COLUMN live_sessions.ended_at IS 'NULL while it runs, and where it was killed';

-- live_gaps: stretches [from_time, until_time) of a stream of which rows may be missing.
CREATE TABLE live_gaps (
    kind       text    NOT NULL,
    subject    text    NOT NULL,
    from_time  bigint  NOT NULL,
    until_time bigint  NOT NULL,
    reason     text    NOT NULL,
    noted_at   bigint  NOT NULL,
    is_lost    boolean NOT NULL DEFAULT false,
    closed_at  bigint,
    closed_by  text,
    detail     text,
    PRIMARY KEY (kind, subject, from_time),
    CHECK (from_time < until_time),
    CHECK ((closed_at IS NULL) = (closed_by IS NULL)),
    CHECK (NOT is_lost OR closed_at IS NULL)
);
COMMENT ON COLUMN live_gaps.reason IS 'disconnected, rejected (a part of a message was none), silent (the stream left rows out), beyond_api (too long ago to be asked for)';
COMMENT ON COLUMN live_gaps.is_lost IS 'nobody can be asked: only the day''s file brings it';
COMMENT ON COLUMN live_gaps.closed_by IS 'api: asked for and stored';
COMMENT ON COLUMN live_gaps.detail IS 'why it could not be closed yet';

-- live_conflicts: rows that came again and said something else. The first one is kept.
CREATE TABLE live_conflicts (
    kind        text   NOT NULL,
    digest      text   NOT NULL,
    subject     text   NOT NULL,
    time        bigint NOT NULL,
    received_at bigint NOT NULL,
    columns     text[] NOT NULL,
    kept        jsonb  NOT NULL,
    came        jsonb  NOT NULL,
    PRIMARY KEY (kind, digest)
);
CREATE INDEX live_conflicts_subject ON live_conflicts (kind, subject);

-- live_quarantine: messages, and parts of messages, that are not what the exchange documents.
CREATE TABLE live_quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at   bigint NOT NULL,
    kind          text,
    subject       text,
    reason        text   NOT NULL,
    raw           bytea  NOT NULL
);
COMMENT ON COLUMN live_quarantine.raw IS 'the bytes as they came';

-- live_days: rows of a stream that live_fills and live_trades hold, by UTC day.
CREATE TABLE live_days (
    kind      text   NOT NULL,
    subject   text   NOT NULL,
    day       bigint NOT NULL CHECK (day % 86400000 = 0),
    row_count bigint NOT NULL,
    PRIMARY KEY (kind, subject, day)
);
CREATE INDEX live_days_day ON live_days (day);

-- live_confirmations: a loaded day's file beside what was streamed of it.
-- Written by: LiveConfirmations, again whenever one of the two changes.
CREATE TABLE live_confirmations (
    day             bigint NOT NULL CHECK (day % 86400000 = 0),
    kind            text   NOT NULL,
    live_rows       bigint NOT NULL,
    confirmed       bigint NOT NULL,
    differing       bigint NOT NULL,
    missing_in_file bigint NOT NULL,
    file_rows       bigint NOT NULL,
    unseen          bigint NOT NULL,
    unseen_in_gaps  bigint NOT NULL,
    unseen_later    bigint NOT NULL,
    is_final        boolean NOT NULL,
    inputs          text   NOT NULL,
    confirmed_at    bigint NOT NULL,
    pruned_at       bigint,
    PRIMARY KEY (day, kind),
    CHECK (live_rows = confirmed + differing + missing_in_file),
    CHECK (file_rows = confirmed + differing + unseen + unseen_in_gaps + unseen_later)
);
COMMENT ON COLUMN live_confirmations.confirmed IS 'of the key, and equal in every column that both have';
COMMENT ON COLUMN live_confirmations.missing_in_file IS 'the file has no such key (yet, where the day is not final)';
COMMENT ON COLUMN live_confirmations.file_rows IS 'rows of the file that a stream should have brought';
COMMENT ON COLUMN live_confirmations.unseen IS 'which it never brought, for no reason known';
COMMENT ON COLUMN live_confirmations.unseen_in_gaps IS 'which fall into live_gaps';
COMMENT ON COLUMN live_confirmations.unseen_later IS 'which are later than what the stream has brought so far';
COMMENT ON COLUMN live_confirmations.inputs IS 'digest of what it was counted from';
COMMENT ON COLUMN live_confirmations.pruned_at IS 'confirmed rows were deleted then, and the counts stay as they are';
