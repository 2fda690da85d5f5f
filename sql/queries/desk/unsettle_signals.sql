-- What became of later signals is open again, and of those from outside that the day decides about;
-- they keep their numbers. Parameters: day, ends_at.
UPDATE signals
SET outcome = 'pending', settings_version = NULL, size_usd = 0
WHERE settings_version IS NOT NULL
  AND (source = 'fills' AND leader_time >= %(ends_at)s OR source <> 'fills' AND received_at >= %(day)s)
