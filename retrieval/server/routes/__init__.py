"""The routes of the server, one file a topic. The name of a route's function is the id of its operation in OpenAPI.

- `search`: searching, uploads to search with, what the collection holds
- `items`: pages of items, their pictures and thumbnails; adding, updating, removing
- `trash`: removed items, restored or deleted for good
- `clusters`: levels, clusters and what is in them, events, outliers, named clusterings
- `corrections`: what people say of clusters
- `duplicates`: groups with proof, overlays, decisions
- `learning`: what is learned from labels, suggestions, labels
- `structure`: ways between pictures, what lies around them, summaries
- `jobs`: long work, and streams of what happens (server-sent events)
- `health`: liveness, readiness, metrics
- `page`: the page, the page that shows the OpenAPI document, and the browser's session
"""
