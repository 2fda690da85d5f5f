-- Who bore the label at an instant, by the days before it. Filled in: as_of, rule_set.
SELECT {as_of}::bigint AS as_of, user_address
FROM classified_profiles_before({as_of}, {rule_set})
WHERE trader_type = 'SMART_DIRECTIONAL'
