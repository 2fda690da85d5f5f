-- Alerts that have fired and not recovered.
SELECT trader_id, rule FROM alerts WHERE recovered_at IS NULL
