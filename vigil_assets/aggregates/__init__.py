"""What is derived from one UTC day of fills."""
