"""What the market looked like at a given minute, and how the exchange writes it."""
