"""Shape, colour and texture: each block does what it is for."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from indexers.embedders.base import Embedder
from indexers.embedders.classic import Classic
from indexers.errors import BadSetting
from indexers.testing import EmbedderContract
from tests import pictures


class TestClassic(EmbedderContract):
    def embedder(self) -> Embedder:
        return Classic()


def cosines(images: list[Image.Image], **weights: float) -> Any:
    vectors = Classic(**weights).embed(images)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors @ vectors.T


def test_the_colour_block_tells_colours_apart() -> None:
    red, orange, blue = (pictures.disc(colour) for colour in ("red", (255, 20, 0), "blue"))
    found = cosines([red, orange, blue], shape=0, texture=0)
    assert found[0, 1] > 0.99
    assert found[0, 2] < 0.9


def test_the_shape_block_is_blind_to_colour_and_sees_form() -> None:
    found = cosines([pictures.disc("red"), pictures.disc("blue"), pictures.stripes()], colour=0, texture=0.01)
    assert found[0, 1] > 0.95
    assert found[0, 2] < 0.7


def test_the_texture_block_tells_noise_from_stripes() -> None:
    found = cosines([pictures.noise(1), pictures.noise(2), pictures.stripes()], shape=0, colour=0)
    assert found[0, 1] > 0.98
    assert found[0, 2] < 0.9


def test_the_cosine_is_the_weighted_mean_of_the_blocks() -> None:
    images = [pictures.noise(1), pictures.stripes()]
    one, two, three = (
        cosines(images, **weights)[0, 1]
        for weights in ({"shape": 0, "texture": 0}, {"shape": 0, "colour": 0}, {"shape": 0, "colour": 3, "texture": 1})
    )
    assert three == pytest.approx((3 * one + two) / 4, abs=1e-5)


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "much", True, None])
def test_a_bad_weight_is_named(value: object) -> None:
    with pytest.raises(BadSetting, match=r"'shape'.*" + repr(value)):
        Classic(shape=value)


def test_weights_that_could_leave_a_zero_vector_are_refused() -> None:
    with pytest.raises(BadSetting, match="flat pictures"):
        Classic(colour=0, texture=0)


def test_does_60_pictures_a_second_on_one_core() -> None:
    embedder, image = Classic(), pictures.noise(3, (448, 448))
    embedder.embed([image])
    start = time.thread_time()
    embedder.embed([image] * 30)
    assert 30 / (time.thread_time() - start) > 60
