"""Any of Pillow's modes as RGB, and the ground that transparent pictures are laid over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from indexers.pictures import images
from indexers.pictures.rgb import choose_ground, flatten, scale_to_eight_bits
from tests.support import pictures

Draw = Callable[[ImageDraw.ImageDraw], object]


def draw(shape: Draw, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Draw on a wholly transparent picture."""
    image = Image.new("RGBA", size, (255, 255, 255, 0))
    shape(ImageDraw.Draw(image))
    return image


def ring(colour: str | tuple[int, int, int]) -> Image.Image:
    return draw(lambda drawing: drawing.ellipse((80, 40, 240, 200), outline=colour, width=18))


def sticker(drawing: ImageDraw.ImageDraw) -> None:
    drawing.ellipse((20, 40, 140, 200), fill="white", outline="black", width=3)


def white_and_black(drawing: ImageDraw.ImageDraw) -> None:
    drawing.ellipse((20, 40, 150, 200), fill="white")
    drawing.ellipse((170, 40, 300, 200), fill="black")


def white_bars_and_a_red_dot(drawing: ImageDraw.ImageDraw) -> None:
    for left in range(20, 300, 30):
        drawing.rectangle((left, 20, left + 12, 200), fill="white")
    drawing.ellipse((150, 210, 165, 225), fill="red")


def half_transparent_photograph() -> Image.Image:
    photograph = pictures.gradient().convert("RGBA")
    photograph.putalpha(128)
    return photograph


@pytest.mark.parametrize(
    ("image", "ground"),
    [
        (ring("black"), 255),
        (ring("yellow"), 255),
        (ring((200, 200, 200)), 255),
        (ring("white"), 128),
        (ring((245, 245, 245)), 128),
        (ring("white").convert("LA").convert("RGBA"), 128),
        (draw(sticker), 255),
        (draw(white_and_black), 128),
        (draw(white_bars_and_a_red_dot), 128),
        (half_transparent_photograph(), 255),
        (Image.new("RGBA", (9, 9), (255, 255, 255, 0)), 255),
        (Image.new("RGBA", (9, 9), (255, 255, 255, 255)), 255),
        (Image.new("RGBA", (1, 1), (255, 255, 255, 128)), 128),
    ],
)
def test_the_ground_is_the_first_on_which_the_drawing_shows(image: Image.Image, ground: int) -> None:
    assert choose_ground(image) == ground


def test_a_faint_glow_is_laid_over_black() -> None:
    """Grey has half of its contrast."""
    glow = Image.new("RGBA", (64, 64), "white")
    glow.putalpha(Image.radial_gradient("L").resize((64, 64)).point(lambda value: (255 - value) // 3))
    assert choose_ground(glow) == 0


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGBA", "GIF")])
def test_a_white_drawing_shows_whatever_holds_it(mode: str, kind: str) -> None:
    data = pictures.encoded(ring("white").convert(mode), kind)
    decoded = np.asarray(images.decode(data).image.convert("L"))
    assert decoded[120, 89] > 250
    assert abs(int(decoded[120, 160]) - 128) < 3


def test_the_first_frame_of_an_animation_has_its_own_ground() -> None:
    data = pictures.encoded(ring("white"), "PNG", save_all=True, append_images=[ring("black")])
    assert images.decode(data).image.getpixel((160, 120)) == (128, 128, 128)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0, 32768, 65535], np.uint16), [0, 128, 255]),
        (np.array([0, 2**31, 2**32 - 1], np.uint32), [0, 128, 255]),
        (np.array([0, 2**63, 2**64 - 1], np.uint64), [0, 128, 255]),
        (np.array([-9, 0.5, 1], np.float64), [0, 128, 255]),
        (np.array([0, 128, 255], np.float32), [0, 128, 255]),
        (np.array([0, 500, 1000], np.float32), [0, 128, 255]),  # measurements
        (np.array([-50, -25, 0], np.float32), [0, 128, 255]),
        (np.array([-1000, -500, 0], np.int32), [0, 128, 255]),
        (np.array([np.nan, 0, 0.5, 1, np.inf, -np.inf], np.float32), [0, 0, 128, 255, 255, 0]),
        (np.array([np.nan, np.nan], np.float32), [0, 0]),
        (np.array([7, 7], np.float32), [0, 0]),
        (np.array([], np.float32), []),
    ],
)
def test_deep_values_are_scaled(values: Any, expected: list[int]) -> None:
    assert scale_to_eight_bits(values).tolist() == expected


def test_a_known_white_is_255() -> None:
    assert scale_to_eight_bits(np.array([0, 4095], np.uint16), 4095).tolist() == [0, 255]


def test_without_transparency_no_ground_is_laid() -> None:
    image = pictures.quarters()
    assert flatten(image) is image
