"""Pictures with a coloured disc somewhere on smooth noise: whole they look alike, by their parts they don't."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

COLOURS = {"red": (220, 30, 30), "green": (30, 190, 30), "blue": (40, 40, 220), "yellow": (235, 225, 40)}
SIZE, EDGE = (96, 72), 24


def place_disc(number: int) -> tuple[Image.Image, str, tuple[int, int, int, int]]:
    """Return picture `number`, the colour of its disc, and the box of the disc."""
    random = np.random.default_rng(number)
    noise = Image.fromarray(random.integers(80, 170, (5, 7, 3), dtype=np.uint8))
    picture = noise.resize(SIZE, Image.Resampling.BICUBIC)
    colour = list(COLOURS)[number % len(COLOURS)]
    x, y = int(random.integers(0, SIZE[0] - EDGE)), int(random.integers(0, SIZE[1] - EDGE))
    ImageDraw.Draw(picture).ellipse((x, y, x + EDGE - 1, y + EDGE - 1), COLOURS[colour])
    return picture, colour, (x, y, EDGE, EDGE)


def write_discs(folder: Path, count: int) -> list[Path]:
    """Write pictures 0 to `count` - 1, each named after its number and colour, and return their paths."""
    folder.mkdir()
    paths = []
    for number in range(count):
        picture, colour, _ = place_disc(number)
        paths.append(folder / f"{number:03} {colour}.png")
        picture.save(paths[-1])
    return paths
