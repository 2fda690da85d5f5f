-- Positions that an earlier day leaves otherwise than before, with the next day that goes on from
-- them.
CREATE TEMPORARY TABLE changed_positions (
    user_address text   NOT NULL,
    coin         text   NOT NULL,
    next_day     bigint NOT NULL
) ON COMMIT DROP
