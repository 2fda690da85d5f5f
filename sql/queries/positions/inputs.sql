-- Parameters: day.
SELECT position_inputs(%(day)s)
