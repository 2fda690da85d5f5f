-- The last price of a coin on the book in the day before a moment. Parameters: coin, at.
SELECT px
FROM fills
WHERE coin = %(coin)s AND time >= %(at)s - 86400000 AND time < %(at)s AND is_on_book(dir)
ORDER BY time DESC, block_number DESC, event_index DESC
LIMIT 1
