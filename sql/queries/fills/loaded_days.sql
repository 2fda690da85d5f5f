SELECT day FROM day_state
