-- What a batch brought of one stream. `known_until` is NULL while it is not known to follow on
-- what was there. A first message may begin in the middle of a millisecond: the stretch begins
-- with the next one. Parameters: kind, subject, first_time, known_until, subscribed_at,
-- last_message_at, lag_ms, stored, repeated, rejected.
UPDATE live_streams
SET since = coalesce(since, %(first_time)s::bigint + 1),
    known_until = greatest(known_until, %(known_until)s),
    subscribed_at = coalesce(%(subscribed_at)s, subscribed_at),
    last_message_at = greatest(last_message_at, %(last_message_at)s),
    lag_ms = coalesce(%(lag_ms)s, lag_ms),
    stored = stored + %(stored)s,
    repeated = repeated + %(repeated)s,
    rejected = rejected + %(rejected)s
WHERE kind = %(kind)s AND subject = %(subject)s AND until IS NULL
