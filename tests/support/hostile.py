"""Pictures damaged on purpose, each reproducible by its number."""

from __future__ import annotations

import random
from functools import cache

from tests.support import pictures


@cache
def make_seeds() -> dict[str, bytes]:
    """Return a sound picture of each format."""
    drawing = pictures.noise(1, (96, 72))
    files = {kind: pictures.encoded(drawing, kind) for kind in ("JPEG", "PNG", "WEBP", "AVIF", "TIFF")}
    return files | {"GIF": pictures.animation("GIF"), "HEIC": pictures.heic(), "deep": pictures.deep_grey("TIFF")}


def mutate(number: int) -> bytes:
    """Return the damaged picture of that number: bits flipped, cut off, zeroed, lengths stretched, spliced with another
    format."""
    draw = random.Random(number)
    names = sorted(make_seeds())
    data = bytearray(make_seeds()[names[number % len(names)]])
    for _ in range(draw.choice((1, 1, 2, 4, 16, 64))):
        place = draw.randrange(min(len(data), draw.choice((64, 1024, len(data)))) or 1)
        match draw.randrange(7):
            case 0:
                data[place] ^= 1 << draw.randrange(8)
            case 1:
                del data[place + 1 :]
            case 2:
                data[place : place + 4] = draw.choice(
                    (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\0\0\xff\xff")
                )
            case 3:
                data[place:place] = data[place : place + draw.randrange(1, 200)]
            case 4:
                spliced = make_seeds()[draw.choice(names)]
                data[place:] = spliced[draw.randrange(len(spliced)) :]
            case 5:
                data[place : place + 16] = draw.randbytes(16)
            case _:
                del data[place : place + draw.randrange(1, 64)]
        if not data:
            break
    return bytes(data)
