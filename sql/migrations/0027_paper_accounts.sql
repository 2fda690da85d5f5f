-- paper_accounts: each followed trader's paper account as a UTC day left it: what the next goes on from.
-- Written by: PaperTrading.
CREATE TABLE paper_accounts (
    trader_id bigint NOT NULL REFERENCES traders,
    day       bigint NOT NULL,
    reader    jsonb  NOT NULL,
    account   jsonb  NOT NULL,
    PRIMARY KEY (trader_id, day)
);
CREATE INDEX paper_accounts_day ON paper_accounts (day);
COMMENT ON COLUMN paper_accounts.reader IS 'orders of the leader that later fills may still belong to';
COMMENT ON COLUMN paper_accounts.account IS 'open copies, orders under way, settings in force, last prices';
