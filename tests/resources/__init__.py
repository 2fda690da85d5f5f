"""Stores, the lake and the database, each against a real one on this machine."""
