"""What follows the catalogue: files and memory that are brought up to date from its changes."""
