"""How good the spaces and clusterings of a collection are, with labels and without.

    evaluator   the way in: checks a request, reads each space at one moment, runs the evaluation
    request     what an evaluation may be asked for, and the checks of it
    evaluate    the run: which spaces, items and labels, then every clustering and method in turn
    metrics     agreement with labels, silhouette, stability, retrieval; arrays only
    refits      the collection's own clusterings repeated on a part of its items
    trials      one method on rows in a separate process: labels, time and memory
    columns     the figures with their headings and formats, for tables and charts

Importing this loads nothing.
"""
