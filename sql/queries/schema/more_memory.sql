-- For sorts and hashes over a whole day, or over all trader-days, until the transaction ends.
SET LOCAL work_mem = '256MB'
