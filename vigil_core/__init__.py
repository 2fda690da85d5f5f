"""Rules: values in, values out. No file, socket, clock, environment or random source."""
