-- Parameters: address, start, end.
DELETE FROM account_funding
WHERE user_address = %(address)s AND time >= %(start)s AND time < %(end)s
