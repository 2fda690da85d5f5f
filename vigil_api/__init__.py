"""HTTP: the JSON API under `/api`, and the pages."""
