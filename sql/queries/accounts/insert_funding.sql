-- Parameters: address, time, coin, usdc, szi, funding_rate, samples, until, hash.
INSERT INTO account_funding (
    user_address, time, coin, usdc, szi, funding_rate, samples, until, hash
) VALUES (
    %(address)s, %(time)s, %(coin)s, trim_scale(%(usdc)s::numeric), trim_scale(%(szi)s::numeric),
    trim_scale(%(funding_rate)s::numeric), %(samples)s, %(until)s, %(hash)s
)
