"""What tests and campaigns attack Vigil with: real parts, and seeded faults."""
