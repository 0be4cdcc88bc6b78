"""Spaces: one embedder's vectors, with their followers, at one moment.

spaces          which space is searched, which embedder fills it, which followers stand behind it
embedders       the embedders that the user and the database name, and the files that these may load
choices         which space is meant, and the index that it takes
embedder_names  how a caller names an embedder
view            what a search of one space needs, and which of its vectors may answer
scope           the items of clusters that a caller names
cluster_state   the clusters of a space in memory
info            what a collection holds
"""
