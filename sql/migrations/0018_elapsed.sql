-- How long a day took to build; of relations that are built together, the first one's row says it.
ALTER TABLE artemis_state ADD COLUMN elapsed_seconds double precision;
COMMENT ON COLUMN artemis_state.elapsed_seconds IS 'NULL where the day was built together with another relation';
