"""Pages on a screen have bars and pictures with straight edges; photographs and drawings have neither."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from indexers.matching.pages import is_page
from tests.support import pictures

SIZE = (900, 640)


def draw_words(ground: str = "white", ink: str = "black") -> Image.Image:
    page = Image.new("RGB", SIZE, ground)
    pen = ImageDraw.Draw(page)
    for line in range(60, SIZE[1], 16):
        pen.text((40, line), "what somebody has written about that day " * 3, fill=ink)
    return page


@pytest.mark.parametrize(("ground", "ink"), [("white", "black"), ("#101418", "#d0d0d0")])
def test_a_picture_among_words_makes_a_page(ground: str, ink: str) -> None:
    page = draw_words(ground, ink)
    assert not is_page(page)
    page.paste(ImageOps.expand(pictures.noise(1, (300, 200)), 12, ground), (280, 200))
    assert is_page(page)
    assert is_page(page.rotate(90, expand=True))


def test_a_bar_from_side_to_side_makes_a_page() -> None:
    page = draw_words()
    ImageDraw.Draw(page).rectangle((0, 0, SIZE[0], 40), fill=(34, 60, 80))
    assert is_page(page)


def test_a_thing_on_plain_ground_makes_none() -> None:
    noise, mask = pictures.noise(2, SIZE), Image.new("L", SIZE)
    ImageDraw.Draw(mask).ellipse((200, 150, 700, 500), fill=255)
    assert not is_page(Image.composite(noise, Image.new("RGB", SIZE, "white"), mask))


def test_pictures_without_ground_make_none() -> None:
    ramp = np.linspace(0, 255, SIZE[0])[None, :].repeat(SIZE[1], axis=0).astype(np.uint8)
    assert not is_page(pictures.noise(3, SIZE))
    assert not is_page(Image.fromarray(ramp))


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (33, 33), (5000, 20)])
def test_pictures_of_any_size_are_judged(size: tuple[int, int]) -> None:
    assert not is_page(Image.new("RGB", size, "white"))
