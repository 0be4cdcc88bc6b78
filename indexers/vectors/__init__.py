"""The plug-in family of vector indexes, and the exact search that stands beside every one of them.

base            the contract of an index, and the checks of vectors, ids and k that all share
metrics         the metrics by their names, similarities, and what one metric tells of another
exact           a scan with numpy: the flat vector file, and the referee of every other index
rows            the rows of that file: a mapped base, and a tail in memory
sketch          a few numbers for each row, which bound its inner products with a proof
bounds          what these bounds say about scores in every metric
pruning         the rows that a scan need not look at, by their bounds
allowed         which items may answer a search, prepared to be used again
searcher        the layer over every index: restrictions, radius, completeness, exact scores
rerank          searching in another metric than the index was built for
small_world     what the approximate indexes (HNSW) share
strays          vectors that a graph no longer finds, kept beside it
identical       equal vectors, of which only one enters a graph
hnsw            the member hnswlib, the default
usearch         the member USearch: rounded vectors, mapped from the file
faiss           the member faiss: rounded vectors
rabitq          the member rabitq: codes of one bit, scored exactly with the flat vector file
pgvector        the member pgvector: a table on a server, one for all machines
auto            the member auto: the best for the size of a collection
staged          what both share: they are built anew when outgrown, while searches go on
cells           these codes in cells, and how many cells a search needs
"""
