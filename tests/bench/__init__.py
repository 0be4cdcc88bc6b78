"""Benchmarks: `python -m tests.bench [NAME ...] [--json FILE]`. See `__main__`."""
