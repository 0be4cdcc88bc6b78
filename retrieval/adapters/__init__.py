"""Other systems' interfaces over a collection."""
