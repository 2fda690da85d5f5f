-- Until the transaction ends, what reads a day's fills gives them as they lie, which is nearly
-- always the order of execution: not by several processes, nor from the middle on.
SELECT
    set_config('max_parallel_workers_per_gather', '0', true),
    set_config('synchronize_seqscans', 'off', true)
