"""How good the spaces and clusterings of a collection are."""
