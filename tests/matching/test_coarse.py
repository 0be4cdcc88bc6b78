"""A glance: what may be the same, as a whole frame or laid on the other, and what can't."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from indexers.matching import coarse
from indexers.matching.coarse import (
    compare_squares,
    lie_on_each_other,
    look_at,
    look_at_features,
    may_be_laid,
    may_be_whole,
    resemble,
)
from indexers.matching.features import extract_features
from indexers.matching.geometry import SimilarityTransform
from tests.bench.transforms import recompress, text_bar
from tests.support.photographs import load_photograph

WHOLE = {
    "recompressed": lambda image: recompress(image, 10),
    "smaller": lambda image: image.resize((image.width // 3, image.height // 3)),
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "inverted": ImageOps.invert,
    "stretched": lambda image: image.resize((image.width, image.height * 3 // 2)),
}


@pytest.mark.parametrize("edit", WHOLE)
@pytest.mark.parametrize("name", ["coffee", "astronaut"])
def test_a_copy_may_be_the_same_as_a_whole(name: str, edit: str) -> None:
    image = load_photograph(name)
    assert may_be_whole(look_at(image), look_at(WHOLE[edit](image)))
    assert may_be_whole(look_at(WHOLE[edit](image)), look_at(image))


def test_other_pictures_may_not() -> None:
    looks = [look_at(load_photograph(name)) for name in ("coffee", "astronaut", "rocket", "cat")]
    assert not any(may_be_whole(a, b) for a in looks for b in looks if a is not b)
    assert not any(may_be_laid(a, b, SimilarityTransform(1, 0)) for a in looks for b in looks if a is not b)


def test_a_part_may_be_the_same_where_it_lies_and_nowhere_else() -> None:
    whole = load_photograph()
    part = whole.crop((128, 64, 384, 320))
    lies = SimilarityTransform(0.5, 128 + 64j)
    assert may_be_laid(look_at(part), look_at(whole), lies)
    assert may_be_laid(look_at(whole), look_at(part), lies.invert())
    assert not may_be_laid(look_at(part), look_at(whole), SimilarityTransform(0.5, 20 + 10j))


def test_a_bar_with_words_hides_no_copy() -> None:
    image = load_photograph()
    for seed in range(4):
        covered = text_bar(image, np.random.default_rng(seed))
        assert may_be_laid(look_at(image), look_at(covered), SimilarityTransform(1, 0))


def test_drawings_on_one_ground_are_told_apart() -> None:
    drawings = []
    for mouth in ((200, 340, 400, 420), (260, 360, 340, 480)):
        drawing = Image.new("RGB", (600, 600), "white")
        pen = ImageDraw.Draw(drawing)
        pen.ellipse((80, 80, 520, 520), outline="black", width=14)
        pen.ellipse(mouth, outline="black", width=14)
        drawings.append(drawing)
    first, second = (look_at(drawing) for drawing in drawings)
    assert resemble(first, second)
    assert not may_be_whole(first, second)
    assert may_be_whole(first, look_at(recompress(drawings[0], 20)))


def test_a_look_at_stored_features_is_that_of_the_picture() -> None:
    image = load_photograph("coffee")
    own, stored = look_at(image), look_at_features(extract_features(image))
    assert stored.size == own.size == (512, 341)
    assert stored.grey.shape == own.grey.shape == (64, coarse.LOOK_EDGE)
    assert np.abs(stored.grey.astype(float) - own.grey).mean() < 3
    assert compare_squares(own.square, stored.square)[0][0] > 0.99


def test_blank_pictures_may_differ_in_their_colours_alone() -> None:
    red, blue = (look_at(Image.new("RGB", (40, 30), colour)) for colour in ("red", "blue"))
    assert may_be_whole(red, blue)
    assert not may_be_whole(red, look_at(load_photograph()))
    assert not resemble(red, blue)


def test_squares_are_compared_in_eight_views() -> None:
    look = look_at(load_photograph("coffee"))
    for mirror in (False, True):
        for quarters in range(4):
            turned = np.rot90(look.frame[::-1] if mirror else look.frame, -quarters)
            square = coarse.make_square(np.ascontiguousarray(turned))
            assert compare_squares(look.square, square)[0][1:] == (mirror, quarters)


def draw_sign(colour: str = "crimson", *, beside: bool = False) -> Image.Image:
    sign = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(sign)
    pen.ellipse((60, 40, 240, 260), fill=colour, outline="black", width=9)
    pen.rectangle((100, 260, 200, 360), fill="navy", outline="black", width=9)
    if beside:
        pen.ellipse((320, 300, 350, 330), fill="navy")
    return sign


def test_a_sign_with_more_beside_it_in_another_colour_or_turned_may_not_be_the_same() -> None:
    sign = look_at(draw_sign())
    others = draw_sign("royalblue"), draw_sign(beside=True), draw_sign().rotate(90), ImageOps.mirror(draw_sign())
    for other in map(look_at, others):
        assert sign.is_sign
        assert other.is_sign
        assert not may_be_whole(sign, other)
    assert not may_be_laid(sign, look_at(draw_sign(beside=True)), SimilarityTransform(1, 0))
    assert not may_be_laid(sign, look_at(ImageOps.mirror(draw_sign())), SimilarityTransform(-1, 512, mirrored=True))


@pytest.mark.parametrize(
    "edit",
    [
        lambda image: recompress(image, 20),
        lambda image: image.resize((150, 150)),
        lambda image: image.resize((400, 520)),
        lambda image: image.convert("L").convert("RGB"),
        ImageOps.invert,
    ],
)
def test_an_edited_sign_may_be_the_same(edit: Callable[[Image.Image], Image.Image]) -> None:
    assert may_be_whole(look_at(draw_sign()), look_at(edit(draw_sign())))


def test_a_sign_with_a_bar_over_it_may_be_the_same() -> None:
    covered = text_bar(draw_sign(), np.random.default_rng(2))
    assert may_be_laid(look_at(draw_sign()), look_at(covered), SimilarityTransform(1, 0))


def test_whole_frames_are_looked_at_once() -> None:
    sign = look_at(draw_sign())
    assert lie_on_each_other(sign, sign, SimilarityTransform(1.001, 0.5))
    assert not lie_on_each_other(sign, sign, SimilarityTransform(1.1, 0))
    assert not lie_on_each_other(sign, look_at(draw_sign().rotate(90)), SimilarityTransform(1, 0))
