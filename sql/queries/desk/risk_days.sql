-- The latest day whose risk is known, and the latest that alerts were evaluated at.
SELECT
    (SELECT max(date) FROM trader_risk),
    (SELECT max(day) FROM desk_state WHERE relation = 'alerts')
