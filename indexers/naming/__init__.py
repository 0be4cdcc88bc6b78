"""Names for clusters, from the words about their items and from what the embedder reads in them."""
