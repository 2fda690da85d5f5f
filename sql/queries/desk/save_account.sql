-- Parameters: trader_id, day, reader, account.
INSERT INTO paper_accounts (trader_id, day, reader, account)
VALUES (%(trader_id)s, %(day)s, %(reader)s, %(account)s)
