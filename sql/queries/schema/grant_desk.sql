-- What the API writes, and nothing else: no fill, no figure, no key. Only what is lacking is granted.
DO $grant$
DECLARE
    lacking record;
BEGIN
    FOR lacking IN
        SELECT wanted.*
        FROM (VALUES
            ('traders', 'INSERT', NULL),
            ('traders', 'UPDATE', NULL),
            ('trader_settings_history', 'INSERT', NULL),
            ('signals', 'INSERT', NULL),
            ('promotions', 'INSERT', NULL),
            ('backtests', 'INSERT', NULL),
            ('imports', 'INSERT', NULL),
            ('leaderboard_entries', 'INSERT', NULL),
            ('chat_messages', 'INSERT', NULL),
            ('chat_messages', 'UPDATE', NULL),
            ('alerts', 'UPDATE', 'acknowledged_at'),
            ('alerts', 'UPDATE', 'acknowledged_by'),
            ('intents', 'UPDATE', 'acknowledged_at'),
            ('intents', 'UPDATE', 'acknowledged_by'),
            ('idempotency_keys', 'INSERT', NULL),
            ('idempotency_keys', 'UPDATE', NULL),
            ('idempotency_keys', 'DELETE', NULL),
            ('api_keys', 'UPDATE', 'last_used_at')
        ) AS wanted (relation, privilege, part)
        WHERE NOT CASE
            -- Nothing is there before the schema is installed.
            WHEN to_regclass(relation) IS NULL THEN true
            WHEN part IS NULL THEN has_table_privilege('vigil_api', relation, privilege)
            ELSE has_column_privilege('vigil_api', relation, part, privilege)
        END
    LOOP
        EXECUTE format(
            'GRANT %s%s ON %I TO vigil_api',
            lacking.privilege,
            CASE WHEN lacking.part IS NULL THEN '' ELSE format(' (%I)', lacking.part) END,
            lacking.relation
        );
    END LOOP;
END
$grant$
