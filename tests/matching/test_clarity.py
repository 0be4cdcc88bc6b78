"""Where a picture is sharp and bright: values that can be worked out by hand, and photographs that are blurred."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image, ImageFilter

from indexers.errors import StoredFileDamaged
from indexers.matching.clarity import EDGE, GRID, STEP, Clarity, measure_clarity, pack_clarity, unpack_clarity
from tests.support import pictures
from tests.support.photographs import load_photograph


def test_a_blank_picture_has_its_brightness_and_no_sharpness() -> None:
    clarity = measure_clarity(Image.new("RGB", (128, 96), (100, 100, 100)))
    assert clarity.sharpness.dtype == clarity.brightness.dtype == np.float32
    assert np.array_equal(clarity.sharpness, np.zeros((8, 8)))
    assert np.array_equal(clarity.brightness, np.full((8, 8), 100))
    assert clarity.overall == 0


def test_an_edge_is_sharp_in_the_parts_on_both_sides() -> None:
    """Of the 16 columns of each such part, one differs by 255 from its neighbour: 255 / 16 grey levels on average."""
    picture = Image.new("RGB", (128, 128), "white")
    picture.paste("black", (0, 0, 64, 128))
    sharpness, brightness = measure_clarity(picture)
    assert np.array_equal(brightness, np.repeat([[0] * 4 + [255] * 4], 8, axis=0))
    assert sharpness[:, 3:5] == pytest.approx(math.log2(255 / 16 / 0.25))
    assert not sharpness[:, :3].any()
    assert not sharpness[:, 5:].any()


def test_a_part_is_a_row_and_a_column() -> None:
    picture = Image.new("RGB", (160, 80))
    picture.paste("white", (20, 30, 40, 40))
    assert np.argwhere(measure_clarity(picture).brightness).tolist() == [[3, 1]]


def test_the_blurred_half_of_a_photograph_is_less_sharp() -> None:
    picture = load_photograph("coffee").copy()
    sharp = measure_clarity(picture)
    picture.paste(picture.filter(ImageFilter.GaussianBlur(4)).crop((300, 0, 600, 400)), (300, 0))
    blurred = measure_clarity(picture)
    assert np.array_equal(blurred.sharpness[:, :3], sharp.sharpness[:, :3])
    assert (blurred.sharpness[:, 5:] < sharp.sharpness[:, 5:]).all()
    assert np.abs(blurred.brightness[:, 5:] - sharp.brightness[:, 5:]).mean() < 2


def test_overall_counts_the_sharpest_quarter() -> None:
    sharpness = np.arange(64, dtype=np.float32).reshape(8, 8)
    clarity = Clarity(sharpness, np.zeros((8, 8), np.float32))
    assert clarity.overall == sum(range(48, 64)) / 16


@pytest.mark.parametrize("times", [2, 3])
def test_it_is_the_same_at_any_resolution(times: int) -> None:
    picture = load_photograph("chelsea", EDGE)
    small = measure_clarity(picture)
    large = measure_clarity(picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST))
    assert np.array_equal(large.sharpness, small.sharpness)
    assert np.array_equal(large.brightness, small.brightness)


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (700, 3)])
def test_the_smallest_pictures_have_one_too(size: tuple[int, int]) -> None:
    clarity = measure_clarity(pictures.noise(1, size))
    assert clarity.sharpness.shape == clarity.brightness.shape == (GRID, GRID)
    assert np.isfinite(clarity.sharpness).all()


@pytest.mark.parametrize("picture", [pictures.noise(1), pictures.stripes(step=1), pictures.gradient()])
def test_what_is_stored_is_right_within_half_a_step(picture: Image.Image) -> None:
    clarity = measure_clarity(picture)
    data = pack_clarity(clarity)
    assert len(data) == 128
    stored = unpack_clarity(data)
    assert np.abs(stored.sharpness - clarity.sharpness).max() <= STEP / 2
    assert np.abs(stored.brightness - clarity.brightness).max() <= 0.5
    assert pack_clarity(stored) == data


@pytest.mark.parametrize("length", [0, 127, 129])
def test_other_bytes_are_refused(length: int) -> None:
    with pytest.raises(StoredFileDamaged, match=f"has {length} bytes; measure the picture again"):
        unpack_clarity(bytes(length))
