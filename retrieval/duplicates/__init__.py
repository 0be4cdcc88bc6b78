"""Finding, grouping, deciding on and moving duplicates."""
