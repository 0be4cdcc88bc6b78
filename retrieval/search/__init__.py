"""From a query to its hits.

query      pictures, words, items, vectors and mixes of them, as one vector
search     what a search does, step by step, and the checks of its options
ranking    fusing, diversifying and limiting hits per cluster
"""
