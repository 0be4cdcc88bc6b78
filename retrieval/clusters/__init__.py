"""Clusters: browsing the tree's levels, cuts and partitions, and named clusterings.

browser    what a collection asks, with the clusters brought up to date first
browse     the clusters of one moment: levels, cuts, partitions, loose items, events, outliers
correcting what people say of clusters, and what of it holds
named      named clusterings: fitted by any method, kept, refreshed, dropped
drift      how far the items of now are from what a clustering was fitted to
"""
