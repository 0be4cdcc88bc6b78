"""The index over compact features: it finds what has the same points, follows changes, and stays bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexers.matching import nomination
from indexers.matching.compact import DIRECTIONS, CompactFeatures
from indexers.matching.nomination import NominationIndex


def points(seed: int, count: int = 60) -> CompactFeatures:
    """Return points that no other seed has."""
    random = np.random.default_rng(seed)
    words = random.integers(0, 2**32, (count, 4), dtype=np.uint32)
    places, levels = random.integers(0, 256, (count, 2), dtype=np.uint8), random.integers(0, 8, count, dtype=np.uint8)
    return CompactFeatures(words, places, levels, random.integers(0, DIRECTIONS, count, dtype=np.uint8))


def blur(features: CompactFeatures, seed: int, share: float = 0.05) -> CompactFeatures:
    """Change a share of all bits, and turn all points by the same angle."""
    flips = np.random.default_rng(seed).random((*features.words.shape, 32)) < share
    masks = np.packbits(flips, axis=2).view(">u4")[:, :, 0].astype(np.uint32)
    turned = (features.directions + np.uint8(9)) % np.uint8(DIRECTIONS)
    return features._replace(words=features.words ^ masks, directions=turned)


@pytest.fixture
def index() -> NominationIndex:
    filled = NominationIndex()
    filled.add(range(1, 201), range(1001, 1201), [points(seed) for seed in range(200)])
    return filled


def found(index: NominationIndex, features: CompactFeatures, limit: int = 3) -> list[int]:
    return index.find([features], limit).item_ids.tolist()


def test_points_with_some_other_bits_are_found(index: NominationIndex) -> None:
    votes = index.find([blur(points(seed), seed) for seed in range(200)], 1)
    assert votes.queries.tolist() == list(range(200))
    assert votes.item_ids.tolist() == list(range(1, 201))
    assert not votes.are_mirrored.any()


def test_the_mirror_image_is_found_and_told(index: NominationIndex) -> None:
    votes = index.find([blur(points(7), 7).mirror()], 1)
    assert (votes.item_ids.tolist(), votes.are_mirrored.tolist()) == ([8], [True])


def test_points_that_are_turned_by_many_angles_count_less(index: NominationIndex) -> None:
    turned = points(7)._replace(directions=points(8).directions)
    assert index.find([turned], 1).votes[0] < 0.5 * index.find([points(7)], 1).votes[0]


def test_items_come_are_replaced_and_go_one_by_one(index: NominationIndex) -> None:
    for seed in range(300, 340):
        index.add([seed], [seed], [points(seed)])
    assert len(index) == 240
    assert all(found(index, blur(points(seed), 1), 1) == [seed] for seed in (300, 319, 339))
    index.add([300], [7], [points(400)])
    index.remove([8, 9999])
    assert len(index) == 239
    assert found(index, points(400), 1) == [300]
    assert 300 not in found(index, points(300))
    assert 8 not in found(index, points(7))
    assert index.marks([300]) == {300: 7}
    assert index.marks([8]) == {}
    assert len(index._segments) < 8


def test_it_comes_back_from_its_files(index: NominationIndex, tmp_path: Path) -> None:
    index.remove([5])
    index.add([500], [1], [points(500)])
    index.save(tmp_path / "payload")
    again = NominationIndex()
    again.load(tmp_path / "payload")
    assert again.marks(range(600)) == index.marks(range(600)) != {}
    assert [found(again, points(seed), 1) for seed in (0, 3, 500)] == [[1], [4], [500]]
    assert 5 not in found(again, points(4), 100)
    again.remove([1])
    again.add([1], [2], [points(0)])
    assert found(again, points(0), 1) == [1]
    NominationIndex().save(tmp_path / "empty")
    again.load(tmp_path / "empty")
    assert len(again) == 0
    assert found(again, points(0)) == []


def test_a_crowd_of_equal_pictures_answers_by_a_few() -> None:
    index = NominationIndex()
    index.add(range(1, 101), range(100), [points(1)] * 100)
    assert 1 <= len(found(index, points(1), 100)) <= nomination.BUCKET
    assert found(index, CompactFeatures(*(column[:0] for column in points(1)[:4]))) == []
    assert NominationIndex().find([], 5).item_ids.tolist() == []
