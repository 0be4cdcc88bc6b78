"""Pictures without points are aligned by their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexers.matching.alignment import refine_alignment, search_alignment
from indexers.matching.comparing import compare_thumbnails
from indexers.matching.features import Features, extract_features
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.verification import verify_pictures
from tests.bench.transforms import TRANSFORMS


def make_clouds(seed: int = 0) -> Image.Image:
    """Clouds without a corner."""
    random = np.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((320, 240), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(12))


def extract_clouds(box: tuple[int, int, int, int] | None = None) -> Features:
    """Return the features of clouds, or of a part of them."""
    picture = make_clouds()
    return extract_features(picture.crop(box) if box else picture)


def test_a_crop_is_found_where_it_was_cut_out() -> None:
    whole, part = extract_clouds(), extract_clouds((32, 24, 288, 216))  # a tenth of each edge
    transform = search_alignment(whole, part)
    assert transform is not None
    assert not transform.mirrored
    # 320 pixels became 512, 256 became 512: (32, 24) goes to (0, 0), a step of 1.25 for each pixel of 512
    assert abs(transform.turn - 1.25) < 0.03
    assert abs(transform(np.array([32 * 1.6 + 24j * 1.6]))[0]) < 8
    assert abs(transform(np.array([288 * 1.6 + 216j * 1.6]))[0] - (512 + 384j)) < 8


def test_a_picture_upside_down_is_found_as_a_mirror_image() -> None:
    picture = make_clouds()
    flipped = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    transform = search_alignment(extract_features(picture), extract_features(flipped))
    assert transform is not None
    assert transform.mirrored
    corners = transform(np.array([0, 512 + 384j]))  # y goes to 384 - y
    np.testing.assert_allclose(corners, [384j, 512], atol=8)


def test_least_squares_bring_a_transform_nearer() -> None:
    clouds = extract_clouds()
    begun = SimilarityTransform(1.02 + 0.01j, 6 - 5j)
    refined = refine_alignment(clouds, clouds, begun)
    assert abs(refined.turn - 1) < 0.1 * abs(begun.turn - 1)
    assert abs(refined.shift) < 0.1 * abs(begun.shift)
    comparison = compare_thumbnails(clouds, clouds, refined)
    assert comparison is not None
    assert comparison.correlation > 0.999


def test_a_blank_page_gives_a_search_nothing_to_hold_on_to() -> None:
    blank = extract_features(Image.new("RGB", (320, 240), "white"))
    transform = search_alignment(blank, blank)
    assert transform is None or compare_thumbnails(blank, blank, transform) is not None


def test_a_thumbnail_of_one_row_can_not_be_refined() -> None:
    line, begun = extract_features(Image.new("RGB", (300, 1))), SimilarityTransform(1, 0)
    assert refine_alignment(line, line, begun) == begun


@pytest.mark.parametrize("edit", ["JPEG 30", "half size", "crop 10 %", "crop 30 %", "mirror", "rotation 10°", "grey"])
def test_a_copy_of_a_picture_without_points_is_found_by_its_pixels(edit: str) -> None:
    picture = make_clouds()
    assert len(extract_features(picture).points) < 40
    verdict = verify_pictures(picture, TRANSFORMS[edit](picture, np.random.default_rng(3)))
    assert verdict.kind == "same picture", verdict
    assert verdict.mirrored == (edit == "mirror")


def test_other_clouds_are_different() -> None:
    assert [verify_pictures(make_clouds(0), make_clouds(seed)).kind for seed in range(1, 6)] == ["different"] * 5
