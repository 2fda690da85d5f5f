-- Where a trader's figures of a day come from; as text, so that no digit is lost on the way.
SELECT figure, value, reason, formula, inputs::text, objects::text
FROM explain_trader_day(%(address)s, %(day)s)
