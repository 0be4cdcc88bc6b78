"""The command line: one call into the library for each command."""
