"""A simulated exchange: a whole small world of trades from one seed."""
