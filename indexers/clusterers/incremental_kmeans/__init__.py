"""Mini-batch k-means that learns from each batch: the partitions of a space.

estimator       the estimator: fit, partial_fit, predict
centres         the centres with their ids, and a uniform sample of the rows that arrived
relocation      which clusters to split and which to merge, batch by batch
split_merge     the gain of splits and the cost of merges, computed for many clusters at once
persistence     the learned state as plain arrays, and back
"""
