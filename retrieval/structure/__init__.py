"""What the stored graph of nearest neighbours tells: ways between pictures, what is around them, and a summary.

explorer    paths, neighbourhoods and summaries of a collection
links       the graph's links as arrays: widest and shortest paths, what is within some steps, random walks
cover       the choice of a few vectors that stand for all
"""
