"""The family of vector indexes, and the exact search that stands beside them."""
