"""The bench of faults kills processes at named functions; a renamed function must not leave it without a point."""

from __future__ import annotations

import pytest


def test_every_point_at_which_a_process_is_killed_exists() -> None:
    pytest.importorskip("hnswlib")
    from tests.bench.faults_points import PLACES

    assert [(owner, name) for owner, name in PLACES if not callable(getattr(owner, name, None))] == []
