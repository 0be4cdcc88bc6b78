"""The command line: one call into the library for each command.

start           the entry point
app             the application, and errors as sentences with exit codes
command         what a command consists of: function, panel, example
options         the options that several commands share, and what their values mean
output          lines, tables, JSON and progress bars
items           add, add-texts, sync, items, update, remove, failures
names           the names of items and clusters
queries         what a search asks with
viewer          pages that are opened in the browser
search          search
clusters        clusters, partitions, rename, loose, outliers, recluster
map             map
structure       path, around, summary
learning        learn, lessons, suggest, label
together        align, stitch, fuse, denoise
cluster_tree    the clusters as a tree in the terminal
clusterings     cluster, clusterings
evaluate        evaluate
proposals       proposals
corrections     correct, corrections
merging         what a picture that is kept takes over, for these
duplicates      duplicates, check, decide, overlay, calibrate
spaces          embedders, spaces, use, drop, export-onnx
transfer        export, import
maintenance     info, verify, backup, catch-up, rescue, upgrade, doctor, demo
doctor          the checks of `doctor`
demo            the demonstration
serve           serve
mcp             mcp
"""
