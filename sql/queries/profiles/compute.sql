-- The profiles as of now, beside those that readers see. Parameters: before, rule_set.
CREATE TEMPORARY TABLE computed_profiles ON COMMIT DROP AS
SELECT * FROM classified_profiles_before(%(before)s, %(rule_set)s)
