"""The quick look before the proof: what may be a copy, and what can't be one."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from indexers.matching.agreement import AGREEING, count_agreeing, may_agree
from indexers.matching.compact import CompactFeatures, extract_compact
from tests.matching.test_hashes import load_photograph

pytest.importorskip("cv2", reason="finding points without OpenCV takes half a second a picture")


@pytest.mark.parametrize("degrees", [0, 10, 45, 90, 180])
def test_turned_and_smaller_copies_agree(degrees: int) -> None:
    picture = load_photograph()
    copy = picture.resize((300, 300)).rotate(degrees, Image.Resampling.BICUBIC, expand=True)
    assert count_agreeing(extract_compact(picture), extract_compact(copy)) >= 4 * AGREEING


def test_a_mirrored_part_may_agree_and_another_picture_may_not() -> None:
    features = extract_compact(load_photograph())
    part = ImageOps.mirror(load_photograph().crop((100, 0, 400, 300)))
    assert may_agree(features, extract_compact(part))
    assert may_agree(extract_compact(part), features)
    assert not may_agree(features, extract_compact(load_photograph("coffee")))


def test_pictures_with_few_points_may_always_agree() -> None:
    features = extract_compact(load_photograph())
    few = CompactFeatures(*(column[:5] for column in features[:4]))
    none = CompactFeatures(*(column[:0] for column in features[:4]))
    assert may_agree(few, extract_compact(load_photograph("coffee")))
    assert may_agree(none, few)
    assert count_agreeing(none, few) == 0
    assert np.array_equal(few.mirror().mirror().directions, few.directions)
