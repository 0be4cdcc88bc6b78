"""Mini-batch k-means that learns from each batch: the partitions of a space."""
