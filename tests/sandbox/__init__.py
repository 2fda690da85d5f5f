"""The simulated exchange: its files against the plain rules of the real one."""
