"""Tests of Vigil; `reference` holds the independent oracles."""
