"""What an item tells about what it shows: its texts and the words of its path, without its own facts and without what
most of the collection says; and the place and date that it was taken at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from indexers.catalogue.metadata import OPAQUE_KEY
from indexers.naming.words import extract_file_words, split_words
from indexers.types import ItemRow, Json

SHARED = 0.7
"""A word of paths is no name of a cluster if so large a share of the collection has it."""
AGREEING = 0.8
"""The share of members that were taken at the same place or time, for a cluster to be named after it."""

_LISTS = {
    "technical": """camera cameramake cameramodel cameratype make model lens lensmake lensmodel software firmware
        processingsoftware format fileformat filetype fileext extension mime mimetype contenttype exif orientation
        colorspace colourspace iso isospeed exposure exposuretime aperture fnumber focallength flash shutterspeed
        whitebalance metering creator artist author copyright rights license licence credit filename file filepath path
        folder directory url uri source hash md5 sha1 sha256 checksum width height size bytes utcoffset timezone
        latitude longitude altitude gps location takenat createdat modifiedat datetime datetimeoriginal hostcomputer
        serialnumber""",
    "months": "January February March April May June July August September October November December",
}
_TECHNICAL, _MONTHS = frozenset(_LISTS["technical"].split()), _LISTS["months"].split()
"""Keys of metadata, without signs and case, whose values are about the file or the device."""
_DEVICES = ("camera", "cameramake", "cameramodel", "make", "model", "lens", "lensmake", "lensmodel", "software")
_MAKERS = re.compile(
    r"\b(canon|nikon|sony|olympus|panasonic|fuji\w*|pentax|leica|casio|kodak|samsung|apple|iphone|minolta|ricoh|sigma|"
    r"hasselblad|gopro|dji|huawei|xiaomi|htc|motorola|nokia|lge?|google|oneplus|sanyo|hp|hewlett|epson|vivitar)\b",
    re.IGNORECASE,
)
_AMBIGUOUS = ("make", "model", "location")
"""Keys that are technical only if they name a maker of cameras, or hold no text: cars have makes and models too."""
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])(?:[-_.]?(0[1-9]|[12]\d|3[01]))?(?!\d)")


def list_telling_words(row: ItemRow, common: frozenset[str] = frozenset()) -> str:
    """Return the text of an item for naming: its text, its metadata but for technical keys, and the words of its path
    but for `common` ones. Words of its camera's and lens' names are left out of all of it."""
    devices = set(_split(_list_device_names(row.metadata)))
    path = extract_file_words(row.uris[0]) if row.uris else []
    words = [word for word in path if word not in common and word not in devices]
    said = " ".join(filter(None, [row.text, *_list_texts(row.metadata)]))
    if devices & set(split_words(said)):
        said = " ".join(word for word in split_words(said) if word not in devices)
    return " ".join([said, *words])


def find_common_words(uris: Iterable[str | None]) -> frozenset[str]:
    """Return the words that most of these paths have, in whatever folder. Of fewer than five, none are common."""
    paths = [uri for uri in uris if uri]
    counts = Counter(word for uri in paths for word in extract_file_words(uri, folders=99))
    return frozenset(word for word, count in counts.items() if count >= max(SHARED * len(paths), 5))


def _split(texts: Iterable[str]) -> Iterator[str]:
    return (word for text in texts for word in split_words(text))


@lru_cache(2**12)
def _fold_key(key: str) -> str:
    """Return a key's last part, without signs and case: `EXIF:Camera Make` is `cameramake`."""
    return "".join(filter(str.isalnum, re.split(r"[:./]", key)[-1])).lower()


def _is_technical(key: str, value: Any) -> bool:
    folded = _fold_key(key)
    if folded in _AMBIGUOUS and isinstance(value, str):
        return bool(_MAKERS.search(value))
    return folded in _TECHNICAL


def _list_device_names(metadata: Json) -> Iterator[str]:
    makes = [str(value) for key, value in metadata.items() if _fold_key(key) == "make"]
    is_camera = any(map(_MAKERS.search, makes)) or not makes
    for key, value in metadata.items():
        folded = _fold_key(key)
        if folded in _DEVICES and isinstance(value, str) and (is_camera or folded not in _AMBIGUOUS):
            if folded not in _AMBIGUOUS or makes or _MAKERS.search(value):
                yield value
        elif isinstance(value, dict) and folded in ("exif", "camera"):
            yield from _list_device_names(value)


def _list_texts(metadata: Json | list[Any]) -> Iterator[str]:
    if isinstance(metadata, dict):
        has_camera = any(_fold_key(key) == "make" and _MAKERS.search(str(value)) for key, value in metadata.items())
        values = [
            value
            for key, value in metadata.items()
            if key != OPAQUE_KEY and not _is_technical(key, value) and not (has_camera and _fold_key(key) == "model")
        ]
    else:
        values = metadata
    for value in values:
        if isinstance(value, dict | list):
            yield from _list_texts(value)
        elif isinstance(value, str):
            yield value


# ---- place and date


def describe_occasion(rows: Sequence[ItemRow]) -> str | None:
    """Return a name after the place and the date at which most of these items were taken: `Rome, May 2019`.

    The date is a day, a month or a year, the narrowest that most agree in. None without a place or date.
    """
    dates = [date for row in rows if (date := _find_date(row))]
    names = [_describe_dates([date[:length] for date in dates], len(rows)) for length in (3, 2, 1)]
    return ", ".join(filter(None, [_find_place(rows), next(filter(None, names), None)])) or None


def _find_place(rows: Sequence[ItemRow]) -> str | None:
    for key in ("city", "place", "state", "country"):
        values = Counter(value for row in rows if isinstance(value := row.metadata.get(key), str) and value.strip())
        if values:
            value, count = values.most_common(1)[0]
            if count >= AGREEING * len(rows):
                return value.strip()
    return None


def _find_date(row: ItemRow) -> tuple[str, ...] | None:
    """Return year, month and, where it is known, day: of the picture, or as the folder or file is called."""
    path = "/".join(row.uris[0].replace("\\", "/").split("/")[-3:]) if row.uris else ""
    match = _DATE.match(row.taken_at or "") or _DATE.search(path)
    return tuple(part for part in match.groups() if part) if match else None


def _describe_dates(dates: Sequence[tuple[str, ...]], total: int) -> str | None:
    """Return the date that most have, or None."""
    if not dates or len(dates) < AGREEING * total:
        return None
    date, count = Counter(dates).most_common(1)[0]
    if count < AGREEING * total:
        return None
    year, *rest = date
    parts = [_MONTHS[int(part) - 1] if place == 0 else str(int(part)) for place, part in enumerate(rest)]
    return " ".join([*reversed(parts), year])
