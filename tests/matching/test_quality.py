from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter
from skimage import data

from indexers.matching.quality import measure_quality


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(data.astronaut()).resize((384, 384))


def test_a_blurred_one_is_less_sharp(photograph: Image.Image) -> None:
    values = [measure_quality(photograph.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (0, 2, 8)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.5
    assert values[2] < 0.2


def test_noise_is_measured_and_edges_are_none(photograph: Image.Image) -> None:
    random = np.random.default_rng(0)
    noisy = np.clip(np.asarray(photograph) + random.normal(0, 16, (384, 384, 1)), 0, 255).astype(np.uint8)
    before, after = measure_quality(photograph).noise, measure_quality(Image.fromarray(noisy)).noise
    assert before < 0.1
    assert after == pytest.approx(0.5, abs=0.1)  # of a standard deviation of 16, of 32


def test_dark_and_flat_ones_are_told(photograph: Image.Image) -> None:
    bright = measure_quality(photograph)
    dark = measure_quality(ImageEnhance.Brightness(photograph).enhance(0.2))
    assert dark.exposure == pytest.approx(0.2 * bright.exposure, abs=0.01)
    assert dark.contrast == pytest.approx(0.2 * bright.contrast, abs=0.02)
    assert measure_quality(Image.new("RGB", (50, 40), "white")) == (0, 0, 1, 0)
    assert measure_quality(Image.new("RGB", (1, 1))).exposure == 0
