SELECT built_from, row_count FROM profile_state
