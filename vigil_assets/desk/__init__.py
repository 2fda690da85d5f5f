"""The desk: paper accounts of followed traders."""
