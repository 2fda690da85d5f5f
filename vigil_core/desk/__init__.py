"""The desk: whom we follow, by which settings, and what became of it. Rules only."""
