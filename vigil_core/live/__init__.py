"""What the exchange's WebSocket says, and what may be missing of it."""
