"""Whole collections in and out: items with their vectors, read from files and written to them.

    archive    pictures as a zip file that is sent while it is made
importing     items with ready-made vectors from exports, Parquet, NumPy's archives and clip-retrieval
    corrections   what people say of clusters, in an export and out of one
    cells         cells of CSV files that spreadsheets show as text, and don't run
    exporting     items as CSV, JSON lines, Parquet, NumPy's archive, or a pandas table

Importing this loads nothing.
"""
