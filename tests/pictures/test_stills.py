from __future__ import annotations

from indexers.pictures.stills import Sampling


def test_a_frame_a_second_is_the_usual() -> None:
    assert Sampling(edge=100) == (100, 1.0, None)
