-- Those opened from a day on; the others are written as that day leaves them. Parameters: day.
DELETE FROM copies WHERE opened_at >= %(day)s
