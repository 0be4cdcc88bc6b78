"""IPTC: the older block of what photo programs write about a picture (IIM 4.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from indexers.pictures.wording import clean_text, clean_texts, parse_moment, parse_offset
from indexers.types import Json

_MARK = 0x1C
_CHARSET, _APPLICATION = 1, 2  # the records that are read
_CHARSETS = dict(zip("BCDLGFHMV", (2, 3, 4, 5, 6, 7, 8, 9, 10), strict=True))
"""The last letter of an escape sequence of ISO 2022, and the part of ISO 8859 that it switches to. The first part, and
what is not stated, is taken for the letters of Windows, which hold it."""
_TITLE, _KEYWORD, _DATE, _TIME, _DIGITIZED, _DIGITIZED_TIME, _CREATOR, _CITY, _STATE, _COUNTRY = (
    5,
    25,
    55,
    60,
    62,
    63,
    80,
    90,
    95,
    101,
)
_HEADLINE, _COPYRIGHT, _CAPTION = 105, 116, 120
_TEXTS = {"city": _CITY, "state": _STATE, "country": _COUNTRY, "copyright": _COPYRIGHT, "caption": _CAPTION}


def parse_iptc(block: bytes) -> Json:
    """Return what a block says of its picture, under the keys of `indexers.pictures.tags.FIELDS`.

    A damaged block is read as far as it is sound.
    """
    datasets: dict[int, list[str]] = {}
    charset = "cp1252"
    for record, number, content in _iterate_datasets(block):
        if (record, number) == (_CHARSET, 90):
            part = _CHARSETS.get(content[-1:].decode("latin-1")) if content[:2] in (b"\x1b-", b"\x1b.") else None
            charset = f"iso8859-{part}" if part else charset
        elif record == _APPLICATION:
            datasets.setdefault(number, []).append(_decode(content, charset))
    first = {number: clean_text(texts[0]) for number, texts in datasets.items()}
    values: Json = {key: first.get(number) for key, number in _TEXTS.items()}
    values["title"] = first.get(_TITLE) or first.get(_HEADLINE)
    values["creator"] = "; ".join(clean_texts(datasets.get(_CREATOR, ()))) or None
    values["tags"] = clean_texts(datasets.get(_KEYWORD, ()))
    values |= _read_date(first.get(_DATE), first.get(_TIME)) or _read_date(
        first.get(_DIGITIZED), first.get(_DIGITIZED_TIME)
    )
    return {key: value for key, value in values.items() if value not in (None, [])}


def find_iptc(resources: bytes) -> bytes:
    """Return the IPTC block of Photoshop's image resources; empty if they hold none."""
    offset = 0
    while resources[offset : offset + 4] == b"8BIM":
        name_length = resources[offset + 6 : offset + 7] or b"\0"
        start = offset + 6 + (1 + name_length[0] + 1) // 2 * 2
        length = int.from_bytes(resources[start : start + 4], "big")
        if resources[offset + 4 : offset + 6] == b"\x04\x04":
            return resources[start + 4 : start + 4 + length]
        offset = start + 4 + (length + 1) // 2 * 2
    return b""


def _iterate_datasets(block: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (record, number, content) until the block ends or makes no sense."""
    offset = max(0, block.find(_MARK))
    while offset + 5 <= len(block) and block[offset] == _MARK:
        record, number, length = (
            block[offset + 1],
            block[offset + 2],
            int.from_bytes(block[offset + 3 : offset + 5], "big"),
        )
        offset += 5
        if length & 0x8000:  # the length is itself of so many bytes
            size = length & 0x7FFF
            length, offset = int.from_bytes(block[offset : offset + min(size, 8)], "big"), offset + size
        if offset + length > len(block):
            return
        yield record, number, block[offset : offset + length]
        offset += length


def _decode(content: bytes, charset: str) -> str:
    """Decode a text. Many programs write UTF-8 without saying so."""
    with suppress(UnicodeDecodeError):
        return content.decode()
    return content.decode(charset, "replace")


def _read_date(date: str | None, time: str | None) -> Json:
    """Return the date of `20030517` and `102030+0200`; some programs write dashes and colons into them."""
    day, clock = (date or "").replace("-", ""), (time or "").replace(":", "")
    if moment := parse_moment(f"{day} {clock}"):
        return {"taken_at": moment, "utc_offset": parse_offset(clock)}
    return {"taken_at": moment} if (moment := parse_moment(day)) else {}
