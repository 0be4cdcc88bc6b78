"""The truth: one SQL database with items, metadata, vectors and decisions. No SQL is written elsewhere."""
