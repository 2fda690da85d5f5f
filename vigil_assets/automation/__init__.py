"""What lets Vigil run itself: what is stale, what is built when, and who is told."""
