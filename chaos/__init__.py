"""Attacks on what Vigil promises: each states the promise, makes its world from a seed, and counts.

A module of this package that holds campaigns names them in `CAMPAIGNS`; nothing else has to be
told. They run on installations of their own, never on the user's.
"""
