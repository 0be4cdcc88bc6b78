"""Members of nearkin's four families from another distribution. nearkin finds them by their entry points."""
