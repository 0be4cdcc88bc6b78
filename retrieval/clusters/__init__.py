"""Browsing clusters, and clusterings by name."""
