-- Parameters: address, start, end.
DELETE FROM account_flows
WHERE user_address = %(address)s AND time >= %(start)s AND time < %(end)s
