"""The maintained cluster tree: equal to a full run over the same stored graph, at the cost of the change."""
