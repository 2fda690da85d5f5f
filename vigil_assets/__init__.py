"""Orchestration: each asset reads, calls, writes, reports."""
