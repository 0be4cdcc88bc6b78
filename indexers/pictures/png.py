"""The texts of a PNG: programs keep histories and workflows of many megabytes there, which are no part of the picture.

A PNG consists of chunks (PNG specification, third edition, section 11): length, kind, content and checksum. Texts are
`tEXt`, `zTXt` (compressed) and `iTXt` (perhaps compressed).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_TEXT = 64 * 2**20
"""Bytes of a PNG's texts, unpacked, that are read. Pillow's own limit for one text is 1 MiB."""
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")


class Chunk(NamedTuple):
    """A chunk of a PNG. content: all its bytes, with length and checksum."""

    kind: bytes
    content: bytes


def leave_out_long_texts(data: bytes) -> bytes:
    """Return a PNG without its longest texts: those that are left have MAX_TEXT bytes at most, unpacked."""
    chunks = list(_split_chunks(data))
    sizes = {number: _measure_text(chunk) for number, chunk in enumerate(chunks) if chunk.kind in _TEXTS}
    left, kept = MAX_TEXT, set[int]()
    for number in sorted(sizes, key=lambda number: sizes[number]):
        left -= sizes[number]
        if left >= 0:
            kept.add(number)
    parts = [chunk.content for number, chunk in enumerate(chunks) if number not in sizes or number in kept]
    return b"".join([SIGNATURE, *parts])


def _split_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks of a PNG; from where it is damaged, all its bytes as one."""
    start = len(SIGNATURE)
    while start < len(data):
        length = int.from_bytes(data[start : start + 4], "big")
        end = start + 12 + length
        if end > len(data):
            yield Chunk(b"", data[start:])
            return
        yield Chunk(data[start + 4 : start + 8], data[start:end])
        start = end


def _measure_text(chunk: Chunk) -> int:
    """Return the bytes of a text, unpacked; for a compressed one, unpacked as far as MAX_TEXT goes."""
    body = chunk.content[8:-4]
    _, _, rest = body.partition(b"\0")
    if chunk.kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    elif chunk.kind == b"zTXt":
        packed = rest[1:]
    else:
        return len(body)
    try:
        return len(zlib.decompressobj().decompress(packed, MAX_TEXT + 1))
    except zlib.error:
        return len(body)
