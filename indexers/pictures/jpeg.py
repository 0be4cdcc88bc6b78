"""JPEGs without their end mark: whether all but the end is there."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from indexers.errors import UnreadablePicture

END = b"\xff\xd9"
_MISSING = 1 / 20
"""The share of a picture that may be missing."""
_ALONE = {0x01, *range(0xD0, 0xDA)}  # markers without a length
_PROGRESSIVE, _SCAN = 0xC2, 0xDA


def check_nearly_whole(data: bytes, image: Image.Image) -> None:
    """Raise UnreadablePicture if more than a twentieth of a JPEG without its end is missing.

    `image` is what was decoded of `data`. What is missing of an ordinary one was filled with grey. Of a progressive one
    detail may be missing everywhere: each of its scans has to be there, and the last one has to reach the last rows.
    """
    if image.info.get("progressive"):
        is_whole = has_all_scans(data) and find_last_detail(data) >= 1 - 2 * _MISSING
    else:
        is_filled = (np.asarray(image) == 128).reshape(image.width * image.height, -1).all(axis=1)
        is_whole = is_filled.mean() <= _MISSING
    if not is_whole:
        raise UnreadablePicture("the picture is cut off: a part of it is missing")


def has_all_scans(data: bytes) -> bool:
    """Return True if the scans of a progressive JPEG have begun to send every coefficient to its last bit."""
    components: set[int] = set()
    complete: dict[int, set[int]] = {}
    for marker, body in _iterate_segments(data):
        if marker == _PROGRESSIVE and len(body) >= 6:
            components = set(body[6::3][: body[5]])
        elif marker == _SCAN and body and len(body) >= 2 * body[0] + 4:
            first, last, precision = body[2 * body[0] + 1 : 2 * body[0] + 4]
            if not precision & 15:  # the bits that later scans have to add
                for component in body[1 : 2 * body[0] + 1 : 2]:
                    complete.setdefault(component, set()).update(range(first, last + 1))
    return bool(components) and all(complete.get(component, set()) >= set(range(64)) for component in components)


def find_last_detail(data: bytes) -> float:
    """Return how far down the last bytes of a JPEG add detail, from 0 (the first row) to 1 (the last one).

    The picture is decoded once more without its last two-hundredth: the lowest row that differs is where they end.
    """
    content = data.removesuffix(END).rstrip(b"\0\r\n")
    with (
        Image.open(io.BytesIO(content + END)) as whole,
        Image.open(io.BytesIO(content[: -max(8, len(content) // 200)] + END)) as shorter,
    ):
        difference = (np.asarray(whole) != np.asarray(shorter)).reshape(whole.height, -1).any(axis=1)
    rows = np.flatnonzero(difference)
    return (int(rows[-1]) + 1) / len(difference) if rows.size else 0.0


def _iterate_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each marker with its segment, without its length, as far as they make sense."""
    offset = 2
    while (offset := data.find(b"\xff", offset)) >= 0 and offset + 4 <= len(data):
        marker = data[offset + 1]
        if marker in (0, 0xFF) or marker in _ALONE:  # bytes of a scan, padding, restarts
            offset += 1 if marker == 0xFF else 2
            continue
        length = struct.unpack(">H", data[offset + 2 : offset + 4])[0]
        yield marker, data[offset + 4 : offset + 2 + length]
        offset += 2 + length
