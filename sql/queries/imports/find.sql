-- Parameters: kind, sha256.
SELECT import_id, rows, jsonb_array_length(rejected) FROM imports
WHERE kind = %(kind)s AND sha256 = %(sha256)s
