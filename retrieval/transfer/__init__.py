"""What goes into a collection and out of it, apart from single pictures: files, tables and streams of paths.

    sources       what a caller may pass to `add` and `sync`, sorted and checked; the bytes of an item's picture
    importing     items with ready-made vectors from exports, Parquet, NumPy's archives and clip-retrieval
    exporting     items as CSV, JSON lines, Parquet, NumPy's archive, or a pandas table

Importing this loads nothing.
"""
