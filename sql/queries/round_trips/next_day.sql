SELECT min(next_day) FROM changed_positions
