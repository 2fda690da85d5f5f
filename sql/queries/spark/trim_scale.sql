-- A column of Spark's has one scale for all of its rows: there is nothing to trim.
CREATE TEMPORARY FUNCTION trim_scale(value DECIMAL(38, 24)) RETURNS DECIMAL(38, 24)
RETURN value
