"""What a fill is, and how the exchange's node writes it."""
