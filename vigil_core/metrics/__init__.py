"""Figures of traders, by reference/metrics.md of the specification."""
