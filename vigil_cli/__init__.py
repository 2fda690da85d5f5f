"""The recipes: read the arguments, call, print. Decides nothing about data."""
