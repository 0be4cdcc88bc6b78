"""Items in and out of files."""
