"""The points at which the trials kill processes are places of today's code."""

from __future__ import annotations

from tests.bench.faults_points import PLACES


def test_every_named_point_exists() -> None:
    missing = [f"{owner.__name__}.{name}" for owner, name in PLACES if not callable(getattr(owner, name, None))]
    assert not missing
