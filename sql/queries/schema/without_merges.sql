-- Tables without statistics yet are taken for a few rows, and a join by two columns for one that may
-- as well be merged by the first alone: of which all rows may be the same.
SET LOCAL enable_mergejoin = off
