UPDATE backtests SET progress = %(progress)s WHERE backtest_id = %(backtest_id)s
