-- As if nobody had been called anything from an instant on. Parameters: at.
WITH gone AS (
    DELETE FROM trader_labels WHERE valid_from >= %(at)s
)
UPDATE trader_labels SET valid_to = NULL WHERE valid_to >= %(at)s AND valid_from < %(at)s
