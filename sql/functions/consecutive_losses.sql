-- How many of the latest outcomes are losses without a win since. In order of time; an outcome of 0,
-- or one that is not known (NULL), neither adds to the run nor ends it.
CREATE OR REPLACE FUNCTION consecutive_losses(outcomes numeric[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT count(*)
    FROM unnest(outcomes) WITH ORDINALITY AS o (outcome, number)
    WHERE o.outcome < 0
      AND o.number > coalesce(
          (SELECT max(w.number) FROM unnest(outcomes) WITH ORDINALITY AS w (outcome, number) WHERE w.outcome > 0),
          0
      )
$$;
