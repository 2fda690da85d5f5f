"""Followed traders: settings, signals, paper accounts, backtests, alerts and messages."""
