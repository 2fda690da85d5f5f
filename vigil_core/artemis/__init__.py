"""What a market looked like every five minutes, and what came of it: features and labels."""
