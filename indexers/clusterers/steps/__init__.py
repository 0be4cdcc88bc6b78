"""The mathematical steps that several clusterers share."""
