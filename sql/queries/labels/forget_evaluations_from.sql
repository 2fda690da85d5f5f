-- As if nothing had been evaluated from an instant on. Parameters: at.
WITH gone AS (
    DELETE FROM label_evaluations WHERE valid_from >= %(at)s
)
UPDATE label_evaluations SET valid_to = NULL WHERE valid_to >= %(at)s AND valid_from < %(at)s
