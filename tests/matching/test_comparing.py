"""Thumbnails laid over each other: what agrees, and what has changed besides."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexers.matching.comparing import BLOCK, compare_thumbnails, fit_brightness, mask_covered, warp_into_frame
from indexers.matching.features import Features, extract_features
from indexers.matching.geometry import SimilarityTransform
from tests.support.photographs import load_photograph

SAME = SimilarityTransform(1.0, 0j)


def load() -> Image.Image:
    return load_photograph("coffee", 512)


def paint(image: Image.Image, box: tuple[int, int, int, int], colour: str) -> Image.Image:
    painted = image.copy()
    ImageDraw.Draw(painted).rectangle(box, fill=colour)
    return painted


@pytest.fixture(scope="module")
def coffee() -> Features:
    return extract_features(load())


def test_a_picture_agrees_with_itself(coffee: Features) -> None:
    comparison = compare_thumbnails(coffee, coffee, SAME)
    assert comparison is not None
    assert comparison.overlap == pytest.approx(1)
    assert comparison.correlation == pytest.approx(1, abs=1e-4)
    assert comparison.agreeing == 1
    assert comparison.sharpness == pytest.approx(1, abs=1e-3)
    assert (comparison.gain, comparison.offset) == pytest.approx((1, 0), abs=0.02)
    assert comparison.colour == pytest.approx(0, abs=0.5)
    assert comparison.moved == 0
    rows, columns = coffee.thumbnail.shape
    assert comparison.blocks.shape == (-(-rows // BLOCK), -(-columns // BLOCK))


def test_gain_and_offset_are_those_of_the_brightness(coffee: Features) -> None:
    changed = extract_features(load().point(lambda value: value * 0.5 + 60))
    comparison = compare_thumbnails(coffee, changed, SAME)
    assert comparison is not None
    assert comparison.gain == pytest.approx(0.5, abs=0.04)
    assert comparison.offset == pytest.approx(60, abs=5)
    assert comparison.agreeing == 1
    back = comparison.swap()
    assert back.gain == pytest.approx(1 / comparison.gain)
    assert back.offset == pytest.approx(-comparison.offset / comparison.gain)


def test_only_the_blocks_that_were_painted_over_disagree(coffee: Features) -> None:
    painted = extract_features(paint(load(), (0, 0, 170, 128), "black"))  # a ninth and more, at the top left
    comparison = compare_thumbnails(coffee, painted, SAME)
    assert comparison is not None
    assert 0.6 < comparison.agreeing < 0.95
    rows, columns = (np.flatnonzero((comparison.blocks > 1).any(axis=axis)) for axis in (1, 0))
    assert rows.max() <= comparison.blocks.shape[0] // 2
    assert columns.max() <= comparison.blocks.shape[1] // 2


def test_what_vanishes_and_appears_elsewhere_has_moved(coffee: Features) -> None:
    grey = Image.new("RGB", (512, 384), (120, 120, 120))
    left, right = (extract_features(paint(grey, (x, 150, x + 80, 230), "white")) for x in (60, 330))
    moved = compare_thumbnails(left, right, SAME)
    gone = compare_thumbnails(left, extract_features(grey), SAME)
    assert moved is not None
    assert gone is not None
    assert moved.moved == pytest.approx(0.5, abs=0.05)
    assert gone.moved < 0.1


def test_another_colour_of_the_same_brightness_is_seen(coffee: Features) -> None:
    luminance, blue, red = load().convert("YCbCr").split()
    recoloured = Image.merge("YCbCr", (luminance, red, blue)).convert("RGB")
    comparison = compare_thumbnails(coffee, extract_features(recoloured), SAME)
    assert comparison is not None
    assert comparison.colour > 20
    grey = compare_thumbnails(coffee, extract_features(load().convert("L").convert("RGB")), SAME)
    assert grey is not None
    assert grey.colour < 3


def test_pictures_that_hardly_overlap_are_not_compared(coffee: Features) -> None:
    assert compare_thumbnails(coffee, coffee, SimilarityTransform(1.0, 505 + 0j)) is None


def test_the_frame_is_the_coarser_picture_whichever_comes_first(coffee: Features) -> None:
    middle = extract_features(load().crop((128, 85, 384, 256)))  # half of each edge
    transform = SimilarityTransform(2.0, -2 * (128 + 85j))
    forth, back = compare_thumbnails(coffee, middle, transform), compare_thumbnails(middle, coffee, transform.invert())
    assert forth is not None
    assert back is not None
    assert forth.blocks.shape == back.blocks.shape
    assert forth.agreeing == back.agreeing > 0.95
    assert forth.overlap == pytest.approx(1, abs=0.03)
    assert np.isnan(forth.blocks[0]).all()  # outside


def test_a_shifted_picture_is_warped_to_its_place() -> None:
    picture = extract_features(paint(Image.new("RGB", (512, 512)), (256, 256, 511, 511), "white"))
    shift = SimilarityTransform(1.0, 128 + 0j)
    warped, inside = warp_into_frame(picture, picture, picture.thumbnail, (96, 96), shift)
    assert warped.shape == inside.shape == (96, 96)
    assert warped[80, 28] > 250  # (28 + 24, 80): in the white quarter
    assert warped[80, 20] < 5
    assert inside[48, 60]
    assert not inside[48, 76]  # 76 + 24 is beyond the 96th


def test_the_pixels_that_another_picture_covers() -> None:
    picture = extract_features(Image.new("RGB", (512, 512)))
    covered = mask_covered(picture, picture, SimilarityTransform(1.0, -256 + 0j))
    assert covered.shape == (96, 96)
    assert covered[:, 48:].all()
    assert not covered[:, :48].any()
    assert mask_covered(picture, picture, SAME, 1).sum() == 94 * 94


def test_brightness_is_fitted_in_spite_of_a_part_that_shows_something_else() -> None:
    random = np.random.default_rng(0)
    before = random.uniform(20, 200, 3000).astype(np.float32)
    after = 1.1 * before + 5
    after[:300] = 250 - before[:300]
    gain, offset, knots, values = fit_brightness(before, after)
    assert gain == pytest.approx(1.1, abs=0.02)
    assert offset == pytest.approx(5, abs=3)
    assert knots[0] == 0
    assert knots[-1] == 255
    assert (np.diff(knots) > 0).all()
    assert (np.diff(values) >= 0).all()
    assert np.interp(100, knots, values) == pytest.approx(115, abs=2)


def test_a_flat_picture_has_a_brightness_too() -> None:
    flat = np.full(500, 90, np.float32)
    gain, offset, _, _ = fit_brightness(flat, flat + 10)
    assert (gain, offset) == (1, 10)
