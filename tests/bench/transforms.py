"""What happens to copies, and what only looks like a copy: seeded, on upright RGB pictures of Pillow's."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

Random = np.random.Generator
Transform = Callable[[Image.Image, Random], Image.Image]


def recompress(image: Image.Image, quality: int) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def resize(image: Image.Image, scale: float) -> Image.Image:
    width, height = (max(1, round(edge * scale)) for edge in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def crop_randomly(image: Image.Image, random: Random, share: float) -> Image.Image:
    """Cut away so much of each edge, at random sides."""
    width, height = (round(edge * (1 - share)) for edge in image.size)
    left, top = int(random.integers(image.width - width + 1)), int(random.integers(image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def text_bar(image: Image.Image, random: Random) -> Image.Image:
    """Draw a bar over a sixth of the height, above or below, with a line of words."""
    decorated, height = image.copy(), max(8, image.height // 6)
    top = 0 if random.random() < 0.5 else image.height - height
    pen = ImageDraw.Draw(decorated)
    dark = bool(random.random() < 0.5)
    pen.rectangle((0, top, image.width, top + height), fill="black" if dark else "white")
    words = "WHEN THE PICTURE HAS BEEN SHARED AGAIN"
    pen.text((8, top + height // 4), words, "white" if dark else "black", font=ImageFont.load_default(height // 2))
    return decorated


def rotate(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")


def add_border(image: Image.Image, random: Random) -> Image.Image:
    """Draw a frame of one colour, 8 % of the longer edge wide."""
    colour = tuple(random.integers(0, 256, 3).tolist())
    return ImageOps.expand(image, round(0.08 * max(image.size)), fill=colour)


def screenshot(image: Image.Image, random: Random) -> Image.Image:
    """Show the picture a little smaller in a window with an address, and return the window as a JPEG."""
    smaller = resize(image, float(random.uniform(0.75, 0.95)))
    bar, side = round(0.09 * smaller.height), round(0.05 * smaller.width)
    window = Image.new("RGB", (smaller.width + 2 * side, smaller.height + bar + side), (245, 245, 245))
    pen = ImageDraw.Draw(window)
    pen.rectangle((0, 0, window.width, bar), fill=(222, 225, 230))
    pen.text(
        (side, bar // 4), "https://example.org/pictures", (60, 60, 60), font=ImageFont.load_default(max(8, bar // 2))
    )
    window.paste(smaller, (side, bar))
    return recompress(window, 70)


TRANSFORMS: dict[str, Transform] = {
    "JPEG 30": lambda image, _: recompress(image, 30),
    "half size": lambda image, _: resize(image, 0.5),
    "crop 10 %": lambda image, random: crop_randomly(image, random, 0.1),
    "crop 30 %": lambda image, random: crop_randomly(image, random, 0.3),
    "mirror": lambda image, _: ImageOps.mirror(image),
    "brightness 1.5": lambda image, _: ImageEnhance.Brightness(image).enhance(1.5),
    "text bar": text_bar,
    "rotation 10°": lambda image, random: rotate(image, 10 if random.random() < 0.5 else -10),
    "border": add_border,
    "grey": lambda image, _: image.convert("L").convert("RGB"),
    "screenshot": screenshot,
}


def burst(image: Image.Image, thing_source: Image.Image, random: Random) -> tuple[Image.Image, Image.Image]:
    """Return two shots of one scene: the camera has moved, and so has a thing cut from `thing_source`."""
    things = _thing(thing_source, round(min(image.size) * float(random.uniform(0.2, 0.3))))
    first, second = image.copy(), image.copy()
    places = _places(image.size, things.size, random)
    for shot, place in zip((first, second), places, strict=True):
        shot.paste(things, place, things)
    return _shot(first, random, 0.0), _shot(second, random, 0.03)


def _thing(picture: Image.Image, edge: int) -> Image.Image:
    """Cut an oval out of the middle of a picture."""
    inner = ImageOps.fit(picture, (edge, edge)).convert("RGBA")
    mask = Image.new("L", (edge, edge), 0)
    ImageDraw.Draw(mask).ellipse((2, 2, edge - 3, edge - 3), fill=255)
    inner.putalpha(mask.filter(ImageFilter.GaussianBlur(1)))
    return inner


def _places(size: tuple[int, int], thing: tuple[int, int], random: Random) -> list[tuple[int, int]]:
    """Return two corners for the thing, well inside and at least two thirds of its width apart."""
    low = np.array(size) * 0.08
    high = np.maximum(low + 1, np.array(size) * 0.92 - np.array(thing))
    while True:
        places = np.round(random.uniform(low, high, (2, 2))).astype(int)
        if np.hypot(*(places[0] - places[1])) >= 0.66 * thing[0]:
            return [(int(x), int(y)) for x, y in places]


def _shot(image: Image.Image, random: Random, moved: float) -> Image.Image:
    """Return the scene without its outer 6 %, its corners displaced by up to `moved`, with noise."""
    width, height = image.size
    corners = np.array([(0.06, 0.06), (0.06, 0.94), (0.94, 0.94), (0.94, 0.06)])
    corners = 0.5 + (corners - 0.5) * random.uniform(1 - moved, 1 + moved) + random.uniform(-moved / 2, moved / 2, 2)
    corners = np.clip(corners + random.uniform(-moved, moved, (4, 2)), 0, 1) * (width, height)
    seen = image.transform(
        (round(width * 0.88), round(height * 0.88)),
        Image.Transform.QUAD,
        tuple(corners.ravel().tolist()),
        Image.Resampling.BICUBIC,
    )
    pixels = np.asarray(seen, np.float32) + random.normal(0, 5, (seen.height, seen.width, 3))
    return recompress(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), 90)
