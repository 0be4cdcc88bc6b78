"""What follows the catalogue: files and memory that its changes advance, and that can be made again from it.

Each follower knows the change number that it has reached. After a crash it goes on from there: missing changes are
replayed, and a damaged, lost or foreign file is made again.

    base            the contract of a follower, and the loop that brings all followers of a space up to date in order
    stored          followers with a file: the flat vector file and the approximate index
    remote          the follower of an index on a server, which is one for all machines
    stored_file     a file signed with a key of the user's, replaced as a whole or not at all
    trust           signs the files of a collection that somebody else has made
    shared_lock     many searches beside each other, or one that changes an index
    tree            the neighbour graph, the cluster tree, and the public clusters of its three levels
    partitions      mini-batch k-means that learns from each batch
    clusterings     named clusterings: every item gets the cluster that the fitted model predicts
    nomination      the index over compact features, which nominates copies
    candidates      which pairs of pictures are worth a proof
    evidence        which pairs of pictures are duplicates, collected when someone asks

A follower writes to the catalogue only in `record`, and only what can't be made again.
"""
