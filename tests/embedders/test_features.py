"""Each feature beside what the literature says of it, worked out by hand or by another library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexers.embedders.classic import Classic
from indexers.embedders.features import (
    EDGE,
    FEATURES,
    GROUND,
    LEVELS,
    Pixels,
    count_cells,
    describe_ground,
    describe_pyramid,
)
from tests.support import pictures

FLAT = ("black", "white", "grey", "red")


def prepare(image: Image.Image) -> Pixels:
    return Pixels(Classic().prepare(image))


def describe(name: str, image: Image.Image, levels: int = 1) -> Any:
    """Return a feature of a picture; of the whole picture, not yet scaled to unit length."""
    feature, seen = FEATURES[name], prepare(image)
    return describe_pyramid(feature, seen, levels) if levels > 1 else feature.describe(feature.look(seen))


def draw_flag(turn: float = 0, scale: float = 1, move: tuple[int, int] = (0, 0)) -> Image.Image:
    """Draw a black flag, without any symmetry."""
    points = np.array([(-20, -28), (14, -20), (4, -6), (16, 8), (-12, 12), (-12, 30)]) * scale
    angle = np.deg2rad(turn)
    points = points @ [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]] + 64 + move
    image = Image.new("RGB", (EDGE, EDGE), "white")
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in points], fill="black")
    return image


@pytest.mark.parametrize("levels", range(1, LEVELS + 1))
@pytest.mark.parametrize("name", FEATURES)
def test_has_its_size_and_unit_length_at_every_level(name: str, levels: int) -> None:
    vector = describe_pyramid(FEATURES[name], prepare(pictures.noise(1)), levels)
    assert vector.shape == (FEATURES[name].size * count_cells(levels),)
    assert np.linalg.norm(vector) == pytest.approx(1)


@pytest.mark.parametrize("name", FEATURES)
def test_says_truly_whether_it_tells_flat_pictures_apart(name: str) -> None:
    vectors = np.array(
        [describe_pyramid(FEATURES[name], prepare(Image.new("RGB", (50, 40), colour)), 2) for colour in FLAT]
    )
    differences = np.abs(vectors[:, None] - vectors).max(2)[np.triu_indices(len(FLAT), 1)]
    assert (differences > 0.1).all() if FEATURES[name].coloured else (differences < 0.1).all()
    assert vectors[0].any() == (name in ("colour", "moments", "lbp"))


def test_a_pyramid_is_the_whole_and_its_parts() -> None:
    seen = prepare(pictures.quarters((EDGE, EDGE)))  # not resized, so that its seams are sharp
    whole = describe_pyramid(FEATURES["colour"], seen)
    rows = describe_pyramid(FEATURES["colour"], seen, 3).reshape(21, -1)
    assert [count_cells(levels) for levels in (1, 2, 3)] == [1, 5, 21]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 21**-0.5)  # each counts the same
    np.testing.assert_allclose(rows[0] * 21**0.5, whole)
    assert np.count_nonzero(whole) == 4
    assert (np.count_nonzero(rows[1:], axis=1) == 1).all()  # each cell has one colour
    np.testing.assert_array_equal(rows[1], rows[5])  # upper left, and its upper left


def test_hog_sees_the_direction_of_stripes() -> None:
    upright = describe("hog", pictures.stripes((EDGE, EDGE)), 1).reshape(-1, 9).sum(0)
    lying = (
        describe("hog", pictures.stripes((EDGE, EDGE)).transpose(Image.Transpose.ROTATE_90), 1).reshape(-1, 9).sum(0)
    )
    assert upright @ lying < 0.05 * np.linalg.norm(upright) * np.linalg.norm(lying)


def test_colour_counts_pixels() -> None:
    histogram = describe("colour", pictures.quarters((EDGE, EDGE))) ** 2
    assert sorted(histogram[histogram > 0]) == pytest.approx([0.25] * 4)


def test_moments_are_those_of_the_pixels() -> None:
    half = Image.new("RGB", (EDGE, EDGE), "black")
    half.paste("red", (0, 0, EDGE, EDGE // 4))  # chroma and value are 1 for a quarter of the pixels
    chance, third = 0.25, (0.75**3 - 3 * 0.25**3) / 4
    spread = (chance * (1 - chance)) ** 0.5
    expected = [chance, 0, chance, spread, 0, spread, third ** (1 / 3), 0, third ** (1 / 3), 1]
    np.testing.assert_allclose(describe("moments", half), expected, atol=0.02)  # squeezing has blurred the seam


def test_hue_has_no_seam_and_grey_has_none() -> None:
    left, right = (describe("moments", Image.new("RGB", (9, 9), colour)) for colour in ((255, 0, 6), (255, 6, 0)))
    assert np.abs(left - right).max() < 0.1
    np.testing.assert_allclose(describe("moments", Image.new("RGB", (9, 9), (51, 51, 51))), [0, 0, 0.2, *[0] * 6, 1])


def test_lbp_tells_noise_from_smoothness() -> None:
    noisy, smooth = describe("lbp", pictures.noise()), describe("lbp", pictures.gradient())
    assert noisy @ smooth < 0.8
    assert np.linalg.norm(noisy) == pytest.approx(1)


@pytest.mark.parametrize("scale", range(4))
@pytest.mark.parametrize("orientation", range(6))
def test_each_gabor_filter_answers_to_its_own_wave(scale: int, orientation: int) -> None:
    frequency, angle = 0.05 * 2**scale, np.pi * orientation / 6
    down, across = np.mgrid[:EDGE, :EDGE]
    wave = np.cos(2 * np.pi * frequency * (across * np.cos(angle) + down * np.sin(angle)))
    image = Image.fromarray((128 + 100 * wave).astype(np.uint8)).convert("RGB")
    assert np.argmax(describe("gabor", image)[:24]) == 6 * scale + orientation


def test_edges_are_counted_by_their_direction() -> None:
    counted = describe("edges", pictures.stripes((EDGE, EDGE)))
    assert np.flatnonzero(counted).tolist() == [0, 18]  # lighter to the right, lighter to the left
    lying = describe("edges", pictures.stripes((EDGE, EDGE)).transpose(Image.Transpose.ROTATE_270))
    assert np.flatnonzero(lying).tolist() == [9, 27]


def test_hu_moments_are_scikit_images() -> None:
    measure = pytest.importorskip("skimage.measure")
    for image in (draw_flag(), pictures.noise(2), pictures.disc()):
        edges = prepare(image).edges.T.astype(float)  # their first axis is x
        expected = measure.moments_hu(measure.moments_normalized(measure.moments_central(edges)))
        numbers = describe("hu", image)
        degrees = np.array([2, 4, 6, 6, 12, 8, 12])
        np.testing.assert_allclose(
            np.sign(numbers[:7]) * np.abs(numbers[:7]) ** degrees, expected, rtol=1e-6, atol=1e-15
        )
        assert numbers[7] == 1


def test_hu_moments_know_a_shape_again() -> None:
    plain, disc = describe("hu", draw_flag()), describe("hu", pictures.disc())
    np.testing.assert_allclose(describe("hu", draw_flag(move=(9, -7))), plain, rtol=1e-6)
    np.testing.assert_allclose(describe("hu", draw_flag().transpose(Image.Transpose.ROTATE_90)), plain, atol=0.02)
    np.testing.assert_allclose(describe("hu", draw_flag(turn=30)), plain, atol=0.15)
    mirrored = describe("hu", draw_flag().transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    np.testing.assert_allclose(mirrored * [1, 1, 1, 1, 1, 1, -1, 1], plain, atol=0.02)
    assert np.abs(plain - disc).max() > 0.3


def test_the_ground_is_the_mean_colour_and_a_one() -> None:
    assert describe_ground(prepare(Image.new("RGB", (3, 3), "black"))).tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(
        describe_ground(prepare(Image.new("RGB", (3, 3), "red"))), np.array([1, 0, 0, 1]) / 2**0.5
    )
    assert len(describe_ground(prepare(pictures.noise()))) == GROUND
