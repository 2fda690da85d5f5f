"""What the exchange streams before the hour's file is there."""
