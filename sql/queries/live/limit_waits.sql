-- Whoever waits longer for a lock gives up, and tries again: an ending process must not hang.
SET lock_timeout = '10s'
