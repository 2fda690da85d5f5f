SELECT count(*) FROM {name} WHERE day = {day}
