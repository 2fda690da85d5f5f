"""Postgres: server, schema, roles, and rows by the UTC day."""
