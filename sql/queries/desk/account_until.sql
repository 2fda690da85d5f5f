-- Until when (ms) paper accounts are built; NULL: not yet.
SELECT max(day) + 86400000 AS paper_until FROM desk_state WHERE relation = 'paper_trades'
