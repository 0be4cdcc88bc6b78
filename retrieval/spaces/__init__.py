"""One embedder's vectors at one moment."""
