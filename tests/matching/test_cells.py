"""The part of a picture that a cell of a grid shows is found by points, and as far as pixels agree."""

from __future__ import annotations

import numpy as np
from PIL import Image

from indexers.matching.cells import list_agreeing_boxes
from indexers.matching.features import extract_features
from indexers.matching.geometry import SimilarityTransform, match_points
from tests.support.photographs import load_photograph


def test_the_boxes_lie_within_what_is_shown_and_the_first_one_fills_it() -> None:
    whole = load_photograph("astronaut", 512)
    page = load_photograph("coffee", 512).resize((512, 512))
    page.paste(whole.crop((100, 60, 400, 360)).resize((240, 240), Image.Resampling.LANCZOS), (20, 30))
    a, b = extract_features(whole), extract_features(page)
    lies = SimilarityTransform(0.8, (20 + 30j) - 0.8 * (100 + 60j))
    grown, agreeing = list_agreeing_boxes(a, b, lies, match_points(a, b, mirror=False))
    for box in (grown, agreeing):
        assert (np.array(box) >= (98, 58, 0, 0)).all()
        assert (np.array(box)[2:] <= (402, 362)).all()
    assert (grown[2] - grown[0]) * (grown[3] - grown[1]) >= 0.8 * 300 * 300


def test_few_points_give_no_box() -> None:
    a, b = (extract_features(load_photograph(name)) for name in ("astronaut", "coffee"))
    assert list(list_agreeing_boxes(a, b, SimilarityTransform(1, 0), match_points(a, b, mirror=False))) == []
