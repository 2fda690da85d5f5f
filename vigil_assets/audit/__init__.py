"""What proves or disproves Vigil's own figures."""
