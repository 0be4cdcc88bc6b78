"""Self-contained HTML pages: one file each, which opens from a disk and loads nothing from elsewhere.

page            the frame of a page, its style and security policy; text made safe for pages and terminals
album           the clusters as plain records with captions and thumbnails, for the page and the terminal
clusters        the page of clusters
clusters.html   its template, with style and script
duplicates      the page of duplicates, each with its proof
evaluation      the page of an evaluation: tables and charts
charts          bars and points as SVG
"""
