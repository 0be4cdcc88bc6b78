"""Damaged pictures: each is decoded or fails with a reason of ours, in bounded time; the run goes on."""

from __future__ import annotations

import time
from pathlib import Path

from indexers.errors import PictureError
from indexers.pictures import images
from indexers.types import Limits
from retrieval import Collection
from tests.support.hostile import make_seeds, mutate

COUNT = 400
LIMITS = Limits(max_pixels=4_000_000)


def test_the_sound_ones_can_be_read() -> None:
    for data in make_seeds().values():
        assert images.decode(data, 16).image.mode == "RGB"


def test_damaged_ones_give_a_picture_or_a_reason() -> None:
    reasons: list[str] = []
    for number in range(COUNT):
        started = time.process_time()
        try:
            assert images.decode(mutate(number), 16, LIMITS).image.mode == "RGB"
        except PictureError as error:
            reasons.append(str(error))
        assert time.process_time() - started < 5, number
    assert COUNT / 4 < len(reasons) < COUNT
    assert all(reasons)


def test_each_is_accounted_for_and_the_run_goes_on(tmp_path: Path) -> None:
    keys = [f"k{number}" for number in range(200)]
    options = {"isolated": 1, "seconds": 20, "max_pixels": LIMITS.max_pixels}
    with Collection.open(tmp_path / "c", create=True, embedder="tiny", **options) as collection:
        report = collection.add([mutate(1000 + number) for number in range(200)], keys=keys)
        assert report.added + report.failed == 200
        assert collection.count() == report.added
        assert {failure.uri for failure in report.failures} <= set(keys)
        assert collection.verify().ok
