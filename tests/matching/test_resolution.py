"""Thumbnails are proved where what they lost tells nothing; where writing is lost they aren't."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexers.matching.features import extract_features
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.resolution import find_resolution, is_legible
from indexers.matching.verification import verify_pictures

STILL = SimilarityTransform(1.0, 0j)


def make_landscape(seed: int = 0) -> Image.Image:
    noise = np.random.default_rng(seed).random((14, 18, 3)) * 255
    return Image.fromarray(noise.astype(np.uint8)).resize((640, 480), Image.Resampling.BICUBIC)


def make_page(number: int) -> Image.Image:
    page = make_landscape()
    pen = ImageDraw.Draw(page)
    for row in range(40, 440, 40):
        for left in range(20, 600, 24):
            pen.rectangle((left, row, left + int((left * row * number) % 17), row + 16), fill="black")
    return page


@pytest.mark.parametrize("edge", [48, 64, 96])
def test_a_thumbnail_is_the_same_picture(edge: int) -> None:
    picture = make_landscape()
    small = picture.resize((edge, edge * 3 // 4), Image.Resampling.LANCZOS)
    assert verify_pictures(picture, small).kind == "same picture"
    assert verify_pictures(small, picture).kind == "same picture"
    assert verify_pictures(make_landscape(1), small).kind == "different"


def test_writing_is_not_legible_in_a_thumbnail() -> None:
    assert is_legible(extract_features(make_landscape()), 0.25)
    assert not is_legible(extract_features(make_page(3)), 0.25)


def test_a_thumbnail_of_another_page_is_no_copy() -> None:
    small = make_page(5).resize((64, 48), Image.Resampling.LANCZOS)
    assert verify_pictures(make_page(3), small).kind != "same picture"


def test_the_resolution_is_that_of_the_coarser_picture() -> None:
    large, small = (extract_features(make_landscape().resize(size)) for size in ((640, 480), (96, 72)))
    assert find_resolution(large, large, STILL) == 1
    assert find_resolution(large, small, STILL) == find_resolution(small, large, STILL) == 0.5
