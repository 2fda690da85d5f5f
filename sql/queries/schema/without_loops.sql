-- A day that was just loaded and the tables of a transaction have no statistics yet: the planner
-- takes them for a few rows, and joins of a few rows to a few are loops. None of these is small.
SET LOCAL enable_nestloop = off
