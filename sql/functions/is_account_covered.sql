-- Whether all of [start, before) (ms) of an account's 'funding' or 'ledger' was asked for.
CREATE OR REPLACE FUNCTION is_account_covered(
    of_address text, of_kind text, start bigint, before bigint
) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT EXISTS (
        SELECT
        FROM account_coverage AS c
        WHERE c.user_address = of_address
          AND c.kind = of_kind
          AND c.covered_from <= start
          AND c.covered_until >= before
    )
$$;
