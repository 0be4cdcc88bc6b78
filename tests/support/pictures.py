"""Makes the pictures that the tests need: every kind that a library meets, always the same."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw

Colour = str | tuple[int, int, int]

QUARTERS: tuple[Colour, ...] = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (240, 240, 40))
"""Red and green above blue and yellow: shows each of the eight orientations."""

UNTURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera's sensor saw an upright scene, by EXIF orientation."""


def quarters(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Four coloured quarters."""
    picture, (width, height) = Image.new("RGB", size), size
    for i, colour in enumerate(QUARTERS):
        left, top = (i % 2) * (width // 2), (i // 2) * (height // 2)
        picture.paste(colour, (left, top, left + width - width // 2, top + height - height // 2))
    return picture


def disc(colour: Colour = "red", size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A disc in the middle of white."""
    picture, (width, height) = Image.new("RGB", size, "white"), size
    ImageDraw.Draw(picture).ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), fill=colour)
    return picture


def stripes(size: tuple[int, int] = (160, 120), step: int = 16) -> Image.Image:
    """Upright black and white stripes."""
    row = (np.arange(size[0]) // step % 2 * 255).astype(np.uint8)
    return Image.fromarray(np.tile(row, (size[1], 1))).convert("RGB")


def gradient(size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Red grows to the right, green downwards."""
    width, height = size
    right, down = np.linspace(0, 255, width), np.linspace(0, 255, height)
    channels = [np.tile(right, (height, 1)), np.tile(down[:, None], (1, width)), np.full((height, width), 128.0)]
    return Image.fromarray(np.stack(channels, axis=2).astype(np.uint8))


def noise(seed: int = 0, size: tuple[int, int] = (160, 120)) -> Image.Image:
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    """The colours near the corners, row by row."""
    width, height = image.size
    places = [(width // 8, height // 8), (width - 1 - width // 8, height // 8)]
    places += [(x, height - 1 - height // 8) for x, _ in places]
    return [tuple(image.getpixel(place)) for place in places]  # type: ignore[arg-type]


def looks_like_quarters(image: Image.Image, tolerance: int = 30) -> bool:
    apart = np.abs(np.array(corners(image)) - np.array(QUARTERS))
    return image.mode == "RGB" and image.width > image.height and int(apart.max()) <= tolerance


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a file of that kind."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def jpeg(picture: Image.Image | None = None, **options: Any) -> bytes:
    return encoded(picture or gradient(), "JPEG", **({"quality": 92, "subsampling": 0} | options))


def oriented(orientation: int, kind: str = "JPEG", picture: Image.Image | None = None) -> bytes:
    """`quarters` as a camera turned that way stores it."""
    upright = picture or quarters()
    stored = upright.transpose(UNTURNED[orientation]) if orientation in UNTURNED else upright
    options: dict[str, Any] = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    return encoded(stored, kind, exif=exif({0x0112: orientation}), **options)


def exif(tags: dict[int, Any] | None = None, taken: str | bytes | None = None) -> Image.Exif:
    """An EXIF block; `taken` becomes DateTimeOriginal as it is."""
    block = Image.Exif()
    block.update(tags or {})
    if taken is not None:
        block.get_ifd(0x8769)[0x9003] = taken
    return block


def palette(transparent: int | None = None) -> bytes:
    """A PNG with a palette: index 0 red, 1 blue, one of them perhaps transparent; left half 0, right half 1."""
    picture = Image.new("P", (64, 48), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(1, (32, 0, 64, 48))
    return encoded(picture, "PNG", **({} if transparent is None else {"transparency": transparent}))


def see_through(mode: str = "RGBA") -> Image.Image:
    """The left half opaque, the right half wholly transparent over a hidden colour, both dark."""
    picture = Image.new("RGBA", (64, 48), (200, 0, 0, 255))
    picture.paste((0, 0, 90, 0), (32, 0, 64, 48))
    return picture.convert("LA").convert(mode) if mode in ("LA", "PA") else picture.convert(mode)


def deep_grey(kind: str = "PNG") -> bytes:
    """16-bit grey: 0, a third, two thirds and all of 65,535, from left to right."""
    row = np.repeat(np.array([0, 21845, 43690, 65535], np.uint16), 16)
    return encoded(Image.fromarray(np.tile(row, (48, 1))), kind)


def lab(picture: Image.Image) -> Image.Image:
    source, target = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    made = ImageCms.applyTransform(picture, ImageCms.buildTransform(source, target, "RGB", "LAB"))
    assert made is not None
    return made


def deep_tiff(mode: str, order: str) -> bytes:
    """`quarters` with 16 bits a channel, which Pillow can't write; `order` of the bytes as struct names it."""
    pixels = np.asarray(quarters().convert(mode)).astype(np.uint16) * 257
    raw, count = pixels.astype(f"{order}u2").tobytes(), pixels.shape[2]
    tags = {256: [64], 257: [48], 258: [16] * count, 259: [1], 262: [5 if mode == "CMYK" else 2], 273: [8]}
    tags |= {277: [count], 278: [48], 279: [len(raw)], 284: [1]} | ({338: [2]} if mode == "RGBA" else {})
    place, entries, beyond = 8 + len(raw), b"", b""
    end = place + 2 + 12 * len(tags) + 4
    for tag, values in tags.items():
        body = struct.pack(f"{order}{len(values)}H" if len(values) > 1 else f"{order}I", *values)
        kind = 3 if len(values) > 1 else 4
        held = body if len(body) <= 4 else struct.pack(f"{order}I", end + len(beyond))
        beyond += body if len(body) > 4 else b""
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + held
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", place)
    return head + raw + struct.pack(f"{order}H", len(tags)) + entries + b"\0\0\0\0" + beyond


def animation(kind: str) -> bytes:
    """Three frames: red, green, blue."""
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100, **options)


def heic(turns: int = 0) -> bytes:
    """`quarters`, 64 x 48, encoded once with libheif and x265: pi_heif reads HEIC but can't write it.

    `turns`: quarter turns against the clock by which the file says that it is to be shown.
    """
    data = base64.b64decode(
        "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9j"
        "AAAAAERAAAEAAQAAAAABoQABAAAAAAAAAD8AAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAAAA5waXRtAAAAAAABAAAA/Wlw"
        "cnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AA"
        "AAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAA"
        "QAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWB"
        "AgMFhAAAAEdtZGF0AAAAOygBrxmA94RJf+AY/cJfoAzV4r7/f869U+QVrK4zEPEjB35r3a+lVkT3LovW0F5HZf3rvpnHlOwH6rfw"
    )
    return _turned(data, turns) if turns else data


def _turned(data: bytes, turns: int) -> bytes:
    """With the property `irot` added to the others and given to the only item."""
    grown = {b"meta": 10, b"iprp": 10, b"ipco": 9, b"ipma": 1}
    for name, count in grown.items():
        place = data.index(name) - 4
        data = (
            data[:place]
            + struct.pack(">I", struct.unpack(">I", data[place : place + 4])[0] + count)
            + data[place + 4 :]
        )
    data = data.replace(struct.pack(">I", 0x1A1), struct.pack(">I", 0x1A1 + 10), 1)  # where `iloc` says that it lies
    start = data.index(b"ipma") - 4
    data = data[:start] + b"\0\0\0\x09irot" + bytes([turns]) + data[start:]
    return data.replace(b"\x05\x81\x02\x03\x05\x84", b"\x06\x81\x02\x03\x05\x84\x86")


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A PNG of a few hundred bytes whose header promises that many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def many_scans(picture: Image.Image, count: int) -> bytes:
    """A progressive JPEG whose last scan comes that many times more: a small file that keeps a decoder busy."""
    data = encoded(picture, "JPEG", progressive=True, quality=50)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * count + data[-2:]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
