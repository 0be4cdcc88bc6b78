"""The mathematical steps that several clusterers share.

neighbours      the exact neighbour graph of rows, by brute force
dendrogram      trees of merges in scikit-learn's form: sort, count, cut
merging         agglomeration over a graph, all mutual nearest neighbours at once
descent         k-means from given centres, fast when most of them stay in place
core_distance   prediction of new rows by density, for clusterers with noise
sampling        which rows to cluster: near copies once, no outliers, a share of every region
networks        small neural networks that torch trains and numpy runs
"""
