-- Whether the schema that the API reads is installed.
SELECT to_regclass('api_keys') IS NOT NULL
