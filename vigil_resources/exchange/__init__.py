"""The exchange's info API: asking it within its budget, and keeping what finished days answered."""
