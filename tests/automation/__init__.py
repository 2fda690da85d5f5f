"""What lets Vigil run itself."""
