-- The average price at which a position is left, gathered backwards: the last reduction first. It
-- means something from a share of 1 on, which takes all; a share of 0 changes nothing.
CREATE OR REPLACE AGGREGATE exit_price(share double precision, price double precision) (
    SFUNC = exit_price_step,
    STYPE = double precision,
    INITCOND = '0',
    PARALLEL = SAFE
);
