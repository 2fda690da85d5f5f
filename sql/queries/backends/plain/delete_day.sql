DELETE FROM {name} WHERE day = {day}
