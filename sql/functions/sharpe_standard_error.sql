-- Standard error of an annual Sharpe ratio, from the ratio per day, the biased skewness and the raw
-- kurtosis of n days.
-- Source: Mertens 2002.
CREATE OR REPLACE FUNCTION sharpe_standard_error(
    daily_sharpe double precision, skewness double precision, kurtosis double precision, n bigint
)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- By definition not below 0; rounding may say otherwise.
    SELECT sqrt(
        CASE
            WHEN 1 - skewness * daily_sharpe + (kurtosis - 1) / 4 * daily_sharpe * daily_sharpe < 0
            THEN 0
            ELSE 1 - skewness * daily_sharpe + (kurtosis - 1) / 4 * daily_sharpe * daily_sharpe
        END / (n - 1) * public.days_per_year()
    )
$$;
