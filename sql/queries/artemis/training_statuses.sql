-- Labels of some days by what became of them. Literals: start, end, label_version.
SELECT coin, label_status AS status, count(*) AS labels
FROM snapshot_labels
WHERE day >= {start} AND day < {end} AND label_version = {label_version}
GROUP BY coin, label_status
ORDER BY coin, label_status
