"""Frozen answers that do no work."""
