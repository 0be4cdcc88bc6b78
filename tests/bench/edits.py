"""What people do to pictures beyond recompressing and cropping them: seeded, on upright RGB pictures of Pillow's.

Each edit takes the picture, others to lay beside or below it, and a generator of random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from tests.bench.transforms import Random, recompress, rotate

Others = Sequence[Image.Image]
Edit = Callable[[Image.Image, Others, Random], Image.Image]

WORDS = ("one", "more", "picture", "of", "that", "day", "which", "nobody", "remembered", "until", "somebody", "sent")


def stretch(image: Image.Image, share: float, random: Random) -> Image.Image:
    """Make the picture wider or higher by that share."""
    width, height = image.size
    size = (round(width * (1 + share)), height) if random.random() < 0.5 else (width, round(height * (1 + share)))
    return image.resize(size, Image.Resampling.BICUBIC)


def stretch_somehow(image: Image.Image, others: Others, random: Random) -> Image.Image:
    return stretch(image, float(random.uniform(0.05, 0.4)), random)


def crop_corner(image: Image.Image, share: float, random: Random) -> Image.Image:
    """Cut so much off two edges that meet in a corner."""
    left, top = (float(random.integers(2)) * share for _ in "xy")
    width, height = image.size
    box = (left * width, top * height, (left + 1 - share) * width, (top + 1 - share) * height)
    return image.crop(tuple(round(edge) for edge in box))  # type: ignore[arg-type]


def letterbox(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Show the picture whole on a black screen of 16 to 9, or of 9 to 16 where it is wide already."""
    ratio = 16 / 9 if image.width / image.height < 1.4 else 9 / 16
    width, height = image.size
    size = (max(width, round(height * ratio)), max(height, round(width / ratio)))
    return ImageOps.pad(image, size, color="black")


def frame_as_story(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Show the picture whole on a screen of 9 to 16, over itself enlarged and blurred."""
    edge = max(image.size)
    size = (round(edge * 9 / 16), edge) if image.width >= image.height else (edge, round(edge * 9 / 16))
    ground = ImageOps.fit(image, size).filter(ImageFilter.GaussianBlur(edge / 25))
    inner = ImageOps.contain(image, size)
    ground.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return ground


def shoot_screen(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Show the picture on a page with a bar, a heading, text below it and a column of other pictures."""
    width = round(image.width * float(random.uniform(1.45, 1.7)))
    inner = ImageOps.contain(image, (image.width, image.height))
    line = max(9, width // 48)
    height = inner.height + 14 * line
    page = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, width, 2 * line), fill=(34, 60, 80))
    pen.text((line, line // 3), "example.org", "white", font=ImageFont.load_default(line))
    pen.text((line, 3 * line), _speak(random, 5).title(), "black", font=ImageFont.load_default(2 * line))
    page.paste(inner, (line, 6 * line))
    for row in range(5):
        top = 6 * line + inner.height + line + row * round(1.3 * line)
        pen.text(
            (line, top), _speak(random, inner.width // (3 * line)), (60, 60, 60), font=ImageFont.load_default(line)
        )
    side = width - inner.width - 3 * line
    top = 6 * line
    for other in others[:3]:
        small = ImageOps.fit(other, (side, round(side * 0.7)))
        page.paste(small, (inner.width + 2 * line, top))
        pen.text(
            (inner.width + 2 * line, top + small.height), _speak(random, 3), "black", font=ImageFont.load_default(line)
        )
        top += small.height + 2 * line
    return recompress(page, 85)


def _speak(random: Random, count: int) -> str:
    return " ".join(random.choice(WORDS, max(1, count)))


def lay_on_picture(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Lay the picture, framed, over a quarter of another one."""
    ground = ImageOps.fit(others[0], image.size)
    inner = ImageOps.expand(image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS), 4, "white")
    room = ground.width - inner.width, ground.height - inner.height
    ground.paste(inner, tuple(int(random.integers(max(1, edge))) for edge in room))  # type: ignore[arg-type]
    return recompress(ground, 90)


def lay_in_grid(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Lay the middle square of four pictures in a grid."""
    edge = max(image.size)
    cells = [*others[:3]]
    cells.insert(int(random.integers(4)), image)
    page = Image.new("RGB", (2 * edge + 8, 2 * edge + 8), "white")
    for place, cell in enumerate(cells):
        page.paste(ImageOps.fit(cell, (edge, edge)), ((edge + 8) * (place % 2), (edge + 8) * (place // 2)))
    return recompress(page.resize((edge, edge), Image.Resampling.LANCZOS), 90)


def crop_to_quarter(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Cut out a quarter of the area, anywhere."""
    width, height = image.width // 2, image.height // 2
    left, top = int(random.integers(image.width - width + 1)), int(random.integers(image.height - height + 1))
    return recompress(image.crop((left, top, left + width, top + height)), 90)


def crop_off_centre(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Cut 18 % off one side and 15 % off the top or bottom."""
    across, down = round(0.18 * image.width), round(0.15 * image.height)
    left, top = across * int(random.integers(2)), down * int(random.integers(2))
    return image.crop((left, top, left + image.width - across, top + image.height - down))


def turn_sepia(image: Image.Image, others: Others, random: Random) -> Image.Image:
    pixels = np.asarray(image, np.float32)
    matrix = np.array([[0.393, 0.349, 0.272], [0.769, 0.686, 0.534], [0.189, 0.168, 0.131]], np.float32)
    return Image.fromarray(np.clip(pixels @ matrix, 0, 255).astype(np.uint8))


def filter_colours(image: Image.Image, others: Others, random: Random) -> Image.Image:
    """Change hues, saturation and contrast strongly, as filters of photo programs do."""
    hue, saturation, value = (np.asarray(band, np.float32) for band in image.convert("HSV").split())
    hue = (hue + float(random.choice([-1, 1]) * random.uniform(20, 60))) % 256
    saturation = np.clip(saturation * 1.5, 0, 255)
    value = 255 / (1 + np.exp(-(value - 128) / 40))
    bands = np.stack([hue, saturation, value], axis=2).astype(np.uint8)
    return Image.fromarray(bands, "HSV").convert("RGB")


EDITS: dict[str, Edit] = {
    "rotation 90°": lambda image, _, __: image.transpose(Image.Transpose.ROTATE_90),
    "rotation 180°": lambda image, _, __: image.transpose(Image.Transpose.ROTATE_180),
    "rotation 270°": lambda image, _, __: image.transpose(Image.Transpose.ROTATE_270),
    "rotation 10°, mirrored": lambda image, _, __: rotate(ImageOps.mirror(image), 10),
    "rotation 45°": lambda image, _, random: rotate(image, 45 if random.random() < 0.5 else -45),
    "stretch 5 to 40 %": stretch_somehow,
    "corner crop, stretched": lambda image, _, random: stretch(crop_corner(image, 0.12, random), 0.2, random),
    "mirrored, stretched": lambda image, _, random: stretch(ImageOps.mirror(image), 0.2, random),
    "letterbox": letterbox,
    "story frame": frame_as_story,
    "screen with surroundings": shoot_screen,
    "collage at a quarter": lay_on_picture,
    "grid of four": lay_in_grid,
    "crop to a quarter": crop_to_quarter,
    "crop off-centre": crop_off_centre,
    "inverted": lambda image, _, __: ImageOps.invert(image),
    "sepia": turn_sepia,
    "strong filter": filter_colours,
    "JPEG 5": lambda image, _, __: recompress(image, 5),
}
