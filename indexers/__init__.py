"""The machinery of nearkin: pictures become vectors, the catalogue keeps them, and followers carry what is derived.

`retrieval` imports this package, never the reverse. From the ground up:

    errors        every error that nearkin raises
    types         records that pass between rooms
    arrays        operations on arrays and sequences
    files         files that are written whole or not at all
    plugins       members of the plug-in families by name
    devices       the device that a network runs on, and the number of cores
    words/        texts of any language as the words that are searched
    pictures/     find picture files, read them, decode them safely
    embedders/    pictures and texts in, vectors out (plug-ins)
    vectors/      nearest neighbours: exact and approximate indices (plug-ins)
    matching/     what proves that two pictures are the same
    tree/         the maintained cluster tree over the neighbour graph
    clusterers/   clustering algorithms with scikit-learn's interface (plug-ins)
    classifiers/  what tells labelled vectors apart, with scikit-learn's interface (plug-ins)
    catalogue/    the truth: one SQL database; no SQL is written elsewhere
    naming/       words for clusters
    followers/    what follows the catalogue's changes: files, tree, partitions, clusterings, evidence
    pipeline      from picture files to the catalogue
    audit         compare catalogue, followers and disk; repair what is derived
    testing       the contracts of the plug-in families, as test classes

One word for each thing:

    item            a picture, or a ready-made vector, with an id, a key, metadata and locations
    location        a path or URI of an item's picture
    space           one embedder's vectors over the collection
    change          one logged write to the catalogue; its number grows strictly
    position        the change number that a follower, an answer or a clustering has reached
    follower        something derived from the catalogue; it advances by changes, and records what must last
    snapshot        the catalogue at one moment, for reading
    transaction     a snapshot that may write; all of it is stored, or nothing
    query           what is searched for: a picture, text, item, vector, or a mix of them
    allowed         the items that may be hits of a query
    scope           the clusters and conditions of a query, from which the allowed items follow
    hit             an item in the answer to a query, with its score (larger is nearer)
    cluster         items under a public id that lasts; an item in no cluster has the cluster id 0
    cluster tree    merges of ever larger clusters, cut into the levels coarse, medium and fine
    tree levels     the parameters of these three cuts
    correction      what a person says of clusters: two are one, these belong apart, this belongs there
    loose           of an item: in no cluster of a level; users also read "unclustered"
    clustering      items -> clusters under a name, made by a user beside the tree: a named clustering
    assignment      which item is in which cluster, in memory
    cluster state   the clusters of a space at one moment, in memory
    partition       one of the k-means cells of a space
    crown           the top of the tree, where all pairs of nodes are compared
    leaf            a node of the tree that holds one distinct vector
    seam            where the crown joins the rest of the tree
    duplicate       another file of the same picture (resized, cropped, mirrored ...), proved by comparison
    verdict         the result of comparing two pictures: its kind, score and evidence
    decision        what a person says about two pictures; it outlives rescans and models
    lesson          what a collection learns to tell apart, under a name: a classifier, and where its labels come from
    label           what a person says an item is in a lesson, or is not; a row that outlives models
    suggestion      an item with the class that a lesson's classifier gives it, and how sure that is
    identical       of vectors: equal in every coordinate
    picture hash    a perceptual hash, 64 bits of a picture; it nominates pairs for comparison
    fingerprint     64 bits of a vector, or what tells one version of a model's weights from another
    part            something in a picture with a place and vectors of its own: a face, a page, a frame
    component       of a graph: nodes that are connected
    term            of a mix or a filter: one of the things it joins
"""
