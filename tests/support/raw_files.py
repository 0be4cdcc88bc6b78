"""RAW files for the tests: minimal DNGs (Adobe's Digital Negative, 1.4) of RGB pictures, with or without a preview."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Rows = dict[int, tuple[int, Any]]
"""By tag the type of its values (EXIF's numbers) and the values."""
_SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 7: "B", 10: "i", 13: "I"}


def write_dng(
    path: Path,
    image: Image.Image,
    exif: Rows | None = None,
    *,
    preview: bool = True,
    orientation: int = 1,
    camera: tuple[bytes, bytes] = (b"Make", b"Model"),
) -> None:
    """Write a picture as a DNG: linear values behind a Bayer filter, with a JPEG of it in the first directory.

    exif: rows of EXIF's own directory. camera: its make and model.
    """
    width, height = (side // 2 * 2 for side in image.size)
    pixels = np.asarray(image.crop((0, 0, width, height)), np.float64) / 255
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    mosaic = np.empty((height, width))
    for (down, across), band in {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 2}.items():
        mosaic[down::2, across::2] = linear[down::2, across::2, band]
    sensor = np.rint(mosaic * 16383).astype("<u2").tobytes()
    stream = io.BytesIO()
    image.crop((0, 0, width, height)).save(stream, "JPEG", quality=92)
    jpeg = stream.getvalue()
    dng: Rows = {
        50706: (1, (1, 4, 0, 0)),
        50707: (1, (1, 1, 0, 0)),
        50708: (2, b"Generated"),
        50721: (10, [(3240970, 10**6), (-1537383, 10**6), (-498611, 10**6), (-969243, 10**6), (1875967, 10**6),
                     (41555, 10**6), (55630, 10**6), (-203977, 10**6), (1056972, 10**6)]),
        50728: (5, [(1, 1), (1, 1), (1, 1)]),
        50778: (3, (21,)),
    }  # fmt: skip
    raw: Rows = {
        254: (4, (0,)), 256: (4, (width,)), 257: (4, (height,)), 258: (3, (16,)), 259: (3, (1,)), 262: (3, (32803,)),
        273: (4, sensor), 277: (3, (1,)), 278: (4, (height,)), 279: (4, (len(sensor),)), 284: (3, (1,)),
        33421: (3, (2, 2)), 33422: (1, (0, 1, 1, 2)), 50714: (3, (0,)), 50717: (4, (16383,)),
    }  # fmt: skip
    about: Rows = {271: (2, camera[0]), 272: (2, camera[1]), 274: (3, (orientation,)), 34665: (13, exif or {})}
    first: Rows = raw | about | dng
    if preview:
        first = about | dng | {
            254: (4, (1,)), 256: (4, (width,)), 257: (4, (height,)), 258: (3, (8, 8, 8)), 259: (3, (7,)),
            262: (3, (6,)), 273: (4, jpeg), 277: (3, (3,)), 278: (4, (height,)), 279: (4, (len(jpeg),)), 330: (13, raw),
        }  # fmt: skip
    path.write_bytes(_write_tiff(first))


def _write_tiff(first: Rows) -> bytes:
    data = bytearray(b"II*\0\0\0\0\0")
    struct.pack_into("<I", data, 4, _write_directory(data, first))
    return bytes(data)


def _write_directory(data: bytearray, rows: Rows) -> int:
    """Append a directory and all that it refers to; return where it begins."""
    entries = []
    for tag, (kind, values) in sorted(rows.items()):
        if isinstance(values, dict):
            count, packed = 1, struct.pack("<I", _write_directory(data, values))
        elif kind == 4 and isinstance(values, bytes):  # of a strip
            count, packed = 1, struct.pack("<I", _append(data, values))
        elif kind == 2:
            count, packed = len(values) + 1, values + b"\0"
        elif kind in (5, 10):
            count, packed = len(values), b"".join(struct.pack("<" + 2 * _SIZES[kind], *pair) for pair in values)
        else:
            count, packed = len(values), struct.pack(f"<{len(values)}{_SIZES[kind]}", *values)
        entries.append((tag, kind, count, packed))
    fields = [
        struct.pack("<HHI", tag, kind, count)
        + (packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack("<I", _append(data, packed)))
        for tag, kind, count, packed in entries
    ]
    return _append(data, struct.pack("<H", len(fields)) + b"".join(fields) + bytes(4))


def _append(data: bytearray, part: bytes) -> int:
    data.extend(bytes(len(data) % 2))
    place = len(data)
    data.extend(part)
    return place
