"""Members of nearkin's three families from another distribution. nearkin finds them by their entry points."""
