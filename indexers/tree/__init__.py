"""The maintained cluster tree: equal to a full run over the same stored graph, at the cost of the change.

    cluster_tree      the tree as others use it: update, cut, choose levels, read nodes
    neighbour_graph   the k nearest neighbours of each vector, from which the tree's edges come; its
                      neighbour_lists, and the neighbour_search that makes them exact
    rounded_vectors   vectors in fixed point, read where they lie
    identity          which new cluster is which old one, and what happened to the others
    levels            the three cuts that suit people: coarse, medium, fine
    level_parameters  what says how they are cut, as the catalogue keeps it
    level_cut         the levels kept up to date at the cost of the change; its walks (the links within each node),
                      codes (what a node costs as a cluster), and coarse (clusters joined)
    branches          nodes as intervals of leaves, and the least cut per branch, from which levels come
    splits            clusters taken apart one by one, where the tree has two that are large enough
    corrections       what people say of clusters, applied to the levels
    bonds             what was said to belong together or apart, while corrections are applied
    ward              how clusters of medium are joined to those of coarse
    cuts              reading a tree: merges in order, cuts by similarity or count, members

How an update works, from the top down:

    update            one update, round by round: what is dirty, what is gone, what stays
    leaves            items and their leaves: equal vectors share one
    rounds            the thresholds of the rounds, and their stages
    parts             what a stage leaves, and the edges that join it in the next one
    watched_pairs     the pairs of neighbours that an update looks at in each round
    groups            which nodes link to each other in a round, and how each group merges
    linkage           exact average linkage inside many small groups at once
    crown             the top of the tree, where all pairs are compared
    nodes             the nodes as arrays, before and after the update
    storage           arrays that grow: lists of nodes, sums of vectors
    fixed_point       vectors as whole numbers, so that sums are exact in any order
    state             all that a tree holds
    persistence       the state as plain arrays, and back
"""
