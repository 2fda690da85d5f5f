-- The seeds' classes follow every figure at once; ours are left at the second failure in a row.
TRUNCATE rule_sets;
INSERT INTO rule_sets (rule_set, evaluations_to_leave)
VALUES ('seed_100k', 1), ('seed_10k', 1), ('vigil_v1', 2);
