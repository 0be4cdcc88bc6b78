"""What is a drawing, and what makes another drawing of it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from indexers.matching.details import compare_details
from indexers.matching.drawings import (
    Overlay,
    are_other_drawings,
    has_other_colour,
    is_drawing,
    is_other_drawing,
    is_sign,
)
from indexers.matching.features import extract_features
from indexers.matching.geometry import SimilarityTransform
from indexers.matching.verification import verify_pictures
from tests.bench.papers import REPORTED
from tests.bench.transforms import recompress
from tests.support.photographs import load_photograph

SAME_PLACE = SimilarityTransform(1, 0)


def draw(colour: str = "red", *, beside: bool = False) -> Image.Image:
    drawing = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(drawing)
    pen.ellipse((40, 60, 180, 220), fill=colour, outline="black", width=6)
    pen.rectangle((70, 220, 150, 260), fill="navy", outline="black", width=6)
    if beside:
        pen.polygon([(230, 90), (270, 200), (200, 200)], fill="navy")
    return drawing


def overlay(a: Image.Image, b: Image.Image, transform: SimilarityTransform = SAME_PLACE, drawn: int = 200) -> Overlay:
    return Overlay(extract_features(a), extract_features(b), transform, drawn, False)


@pytest.mark.parametrize("name", ["coffee", "astronaut", "moon"])
def test_a_photograph_is_no_drawing(name: str) -> None:
    assert not is_drawing(extract_features(load_photograph(name)))


def test_a_drawing_is_one_also_compressed() -> None:
    assert is_drawing(extract_features(draw()))
    assert is_drawing(extract_features(recompress(draw(), 60)))
    assert not is_drawing(extract_features(Image.new("RGB", (2, 2))))


@pytest.mark.parametrize("colour", ["blue", "black", "orange", "white"])
def test_another_colour_makes_another_drawing(colour: str) -> None:
    assert is_other_drawing(overlay(draw(), draw(colour)))
    assert is_other_drawing(overlay(draw(colour), draw()))


def test_compressing_and_greying_make_none() -> None:
    assert not is_other_drawing(overlay(draw(), recompress(draw(), 20)))
    assert not is_other_drawing(overlay(draw(), draw().convert("L").convert("RGB")))


def test_what_points_the_other_way_is_another_sign_but_no_other_page() -> None:
    mirrored = SimilarityTransform(-1, 512, mirrored=True)
    assert is_other_drawing(overlay(draw(), ImageOps.mirror(draw()), mirrored))
    page = REPORTED["letters"](np.random.default_rng(1), np.random.default_rng(2))
    assert not is_other_drawing(overlay(page, page.rotate(180), SimilarityTransform(-1, 366 + 512j)))


def test_a_thing_beside_makes_another_drawing_and_a_cut_does_not() -> None:
    both = draw(beside=True)
    thing = both.crop((30, 50, 190, 270))
    scale = 512 / 300 * 220 / 512
    lies = SimilarityTransform(scale, (30 + 50j) * 512 / 300)
    assert is_other_drawing(overlay(thing, both, lies))
    cut = both.crop((30, 50, 250, 270))
    assert not is_other_drawing(overlay(cut, both, SimilarityTransform(scale, (30 + 50j) * 512 / 300)))
    assert is_other_drawing(overlay(cut, both, SimilarityTransform(scale, (30 + 50j) * 512 / 300), drawn=20))


def test_two_photographs_are_no_other_drawings_and_a_recoloured_drawing_is() -> None:
    for first, second, expected in ((load_photograph(), load_photograph(), False), (draw(), draw("blue"), True)):
        a, b = extract_features(first), extract_features(second)
        details = compare_details(a, b, SAME_PLACE)
        assert details is not None
        assert are_other_drawings(a, b, SAME_PLACE, details) == expected


def add_stroke(left: int | None, colour: str = "black") -> Image.Image:
    drawing = draw()
    if left is not None:
        ImageDraw.Draw(drawing).line((left, 100, left + 10, 150), fill=colour, width=8)
    return drawing


@pytest.mark.parametrize(
    "other", [add_stroke(None), add_stroke(120), add_stroke(100, "orange")], ids=["left out", "elsewhere", "in colour"]
)
def test_a_small_stroke_makes_another_drawing(other: Image.Image) -> None:
    assert is_other_drawing(overlay(add_stroke(100), other))
    assert is_other_drawing(overlay(other, add_stroke(100)))


@pytest.mark.parametrize("edge", [144, 216, 600])
def test_the_same_stroke_in_another_size_makes_none(edge: int) -> None:
    smaller = add_stroke(100).resize((edge, edge), Image.Resampling.LANCZOS)
    assert not is_other_drawing(overlay(add_stroke(100), recompress(smaller, 90)))


def test_a_plain_thing_in_nearly_the_same_colour_is_another_drawing() -> None:
    flags = [Image.new("RGB", (300, 300), "white") for _ in range(2)]
    for flag, colour in zip(flags, ((225, 112, 33), (236, 90, 71)), strict=True):
        ImageDraw.Draw(flag).rectangle((30, 70, 270, 230), fill=colour, outline="black", width=8)
    assert is_other_drawing(overlay(*flags))
    assert not is_other_drawing(overlay(flags[0], recompress(flags[0], 30)))


def test_letters_over_a_drawing_are_part_of_it() -> None:
    a, b = extract_features(add_stroke(None)), extract_features(add_stroke(100))
    details = compare_details(a, b, SAME_PLACE)
    assert details is not None
    assert are_other_drawings(a, b, SAME_PLACE, details._replace(cover="letters"))
    assert not are_other_drawings(a, b, SAME_PLACE, details._replace(cover="bar"))


def test_a_page_is_no_sign() -> None:
    page = REPORTED["letters"](np.random.default_rng(1), np.random.default_rng(2)).convert("L")
    sign = draw().convert("L")
    small = [np.asarray(image.resize((96, 96), Image.Resampling.BOX)) for image in (page, sign)]
    assert [is_sign(np.asarray(image), thumbnail) for image, thumbnail in zip((page, sign), small, strict=True)] == [
        False,
        True,
    ]


def test_a_shirt_in_another_shade_is_another_shirt_and_a_brighter_picture_is_not() -> None:
    def draw_shirt(colour: str) -> Image.Image:
        page = Image.new("RGB", (400, 450), "white")
        pen = ImageDraw.Draw(page)
        pen.polygon([(100, 75), (30, 165), (65, 195), (100, 155), (100, 400), (300, 400), (300, 75)], fill=colour)
        pen.text((120, 180), "Sofa", "black", font=ImageFont.load_default(30))
        return page

    pink = draw_shirt("#c88eb0")
    assert verify_pictures(pink, draw_shirt("#a77aaa")).kind == "same template"
    assert verify_pictures(pink, ImageEnhance.Brightness(pink).enhance(0.8)).kind == "same picture"


def test_a_thing_of_another_colour_is_seen_though_it_is_as_bright_as_its_ground() -> None:
    scene = load_photograph("coffee")
    pixels = np.array(scene.convert("YCbCr"))
    pixels[60:140, 90:180, 1:] = (190, 60)
    other = Image.fromarray(pixels, "YCbCr").convert("RGB")
    a, b, c = (extract_features(picture) for picture in (scene, other, ImageEnhance.Color(scene).enhance(0.5)))
    assert has_other_colour(a, b, SAME_PLACE)
    assert not has_other_colour(a, extract_features(recompress(scene, 10)), SAME_PLACE)
    assert not has_other_colour(a, c, SAME_PLACE)
    assert verify_pictures(scene, other).kind != "same picture"
