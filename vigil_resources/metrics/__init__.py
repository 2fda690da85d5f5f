"""Figures of traders and markets: built from the warehouse's days, and read as of a moment."""
