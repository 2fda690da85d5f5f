"""From the exchange's archive to the market's state, minute by minute."""
