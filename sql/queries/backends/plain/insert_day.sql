-- The model's text as it stands, over the one day: `fills` is shadowed by its partition's rows.
INSERT INTO {name}
WITH fills AS (SELECT * FROM public.fills WHERE time >= {day} AND time < {day} + 86400000)
SELECT * FROM (
{body}
) AS model
