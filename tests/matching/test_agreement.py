"""The quick look before the proof: what may be a copy, and what can't be one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexers.matching.agreement import AGREEING, count_agreeing, find_rough_transform
from indexers.matching.compact import CompactFeatures, extract_compact
from tests.matching.test_hashes import load_photograph


@pytest.mark.parametrize("degrees", [0, 10, 45, 90, 180])
def test_turned_and_smaller_copies_agree(degrees: int) -> None:
    picture = load_photograph()
    copy = picture.resize((300, 300)).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    assert count_agreeing(extract_compact(picture), extract_compact(copy)) >= 4 * AGREEING


def test_a_mirrored_part_agrees_where_it_lies_and_another_picture_does_not() -> None:
    features = extract_compact(load_photograph())
    part = ImageOps.mirror(load_photograph().crop((100, 0, 400, 300)))
    count, transform = find_rough_transform(extract_compact(part), features)
    assert count >= AGREEING
    assert transform is not None
    assert transform.mirrored
    corners = transform(np.array([0, 512 + 512j]))  # of the part, which is mirrored: the right edge comes first
    np.testing.assert_allclose(corners, [400 * 512 / 512, 100 + 300j], atol=8)
    assert find_rough_transform(features, extract_compact(part))[0] >= AGREEING
    assert find_rough_transform(features, extract_compact(load_photograph("coffee")))[1] is None


def test_the_rough_transform_is_that_of_the_pixels() -> None:
    picture = load_photograph()
    copy = picture.resize((400, 400)).crop((40, 80, 400, 380))
    _, transform = find_rough_transform(extract_compact(picture), extract_compact(copy))
    assert transform is not None
    scale = 400 / 512 * 512 / 360
    np.testing.assert_allclose([transform.turn, transform.shift], [scale, (-40 - 80j) * 512 / 360], atol=4)


def test_few_points_agree_on_nothing() -> None:
    features = extract_compact(load_photograph())
    few = CompactFeatures(*(column[:3] for column in features[:4]))
    none = CompactFeatures(*(column[:0] for column in features[:4]))
    assert find_rough_transform(few, features)[1] is None
    assert find_rough_transform(none, few) == (0, None)
    assert np.array_equal(few.mirror().mirror().directions, few.directions)
