"""What is known of a trader over all loaded days."""
