-- Parameters: day.
DELETE FROM paper_accounts WHERE day >= %(day)s
