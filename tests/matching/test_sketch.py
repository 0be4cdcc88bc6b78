"""What is kept of every picture: the same whatever it was decoded for."""

from __future__ import annotations

import pytest
from PIL import Image

from indexers.matching import sketch
from indexers.matching.agreement import count_agreeing
from indexers.matching.compact import unpack_compact
from indexers.matching.hashes import VIEWS, hash_picture
from tests.matching.test_hashes import load_photograph


def test_a_sketch_holds_hashes_and_compact_features() -> None:
    picture = load_photograph()
    first, small = sketch.sketch_picture(picture), sketch.sketch_picture(picture.resize((2 * sketch.EDGE,) * 2))
    assert first.hashes == hash_picture(picture)
    assert len(first.hashes) == VIEWS
    assert first.compact is not None
    assert small.compact is not None
    assert count_agreeing(unpack_compact(first.compact), unpack_compact(small.compact)) > 40


def test_without_opencv_a_quick_sketch_holds_hashes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sketch, "load_opencv", lambda: None)
    picture = Image.new("RGB", (40, 30), "red")
    assert sketch.sketch_picture(picture, quickly=True).compact is None
    assert sketch.sketch_picture(picture).compact is not None
