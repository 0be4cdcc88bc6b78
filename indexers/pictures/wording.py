"""Texts, dates and ratings as photo programs write them, made alike."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

MAX_TEXT = 10_000
"""Characters that are kept of one text."""
MAX_TEXTS = 500
"""Texts that are kept of one list, each of MAX_NAME characters."""
MAX_NAME = 200
_FIRST_PHOTOGRAPH = 1826
_MOMENT = re.compile(
    r"(\d{4})[:/.-] ?(\d{1,2})[:/.-] ?(\d{1,2})"
    r"(?:[T ]+(\d{1,2})[:.] ?(\d{1,2})(?:[:.] ?(\d{1,2})(?:[.,]\d*)?)?)?"
    r"\s*([AP]M)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T ]?(\d\d)(\d\d)(\d\d)?)?\s*()(?:Z|[+-]\d{4})?", re.ASCII)
_OFFSET = re.compile(r"(?:.*[\d ])?(?:(Z|UTC)|([+-])(\d{2}):?(\d{2}))", re.ASCII | re.IGNORECASE)
_MAX_HOURS = 14  # of a zone: Kiribati
_STARS = (1, 1), (25, 2), (50, 3), (75, 4), (99, 5)  # Windows writes the second number as the first
_PRIVATE_TAGS = "_digikam_internal_tags_", "darktable"  # the roots of what these programs note for themselves
_PLACEHOLDERS = frozenset(
    """
    olympus digital camera|sony dsc|dcim|minolta digital camera|konica minolta digital camera|digital camera|dsc|
    samsung digital camera|kodak digital still camera|exif_jpeg_picture|exif jpeg picture|jpeg image|dav|hdr|cof|mde|
    my beautiful pic|default|untitled|binary comment|file source|image|picture|ascii|<none>|none|created with gimp
    """.replace("\n", "")
    .replace("    ", "")
    .split("|")
)


def clean_text(text: Any, length: int = MAX_TEXT) -> str | None:
    """Return a text in composed letters, without what no database or reader takes; None if nothing is left."""
    if not isinstance(text, str):
        return None
    text = "".join(x for x in text[:length] if x in "\n\t" or unicodedata.category(x) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", text).strip() or None


def is_clean(text: Any) -> bool:
    """Return True for a text that `clean_text` would not change, which a list may hold."""
    return isinstance(text, str) and bool(text) and clean_text(text) == text


def clean_texts(texts: Iterable[Any]) -> list[str]:
    """Return the texts that are not empty, each once, in their order."""
    return list(dict.fromkeys(text for part in texts if (text := clean_text(part, MAX_NAME))))[:MAX_TEXTS]


def clean_caption(text: Any) -> str | None:
    """Return a text unless it is one that cameras write into every picture."""
    cleaned = clean_text(text)
    return None if cleaned is None or cleaned.casefold() in _PLACEHOLDERS else cleaned


def split_paths(texts: Iterable[str], mark: str) -> list[list[str]]:
    """Return the names on the way to each hierarchical tag: `Places|Austria|Vienna`, parted by `mark`."""
    paths = [[name for part in text.split(mark) if (name := clean_text(part))] for text in texts]
    return [path for path in paths if path and path[0].casefold() not in _PRIVATE_TAGS]


def parse_rating(value: Any, scale: int = 5) -> int | None:
    """Return the stars, 0 to 5, of a number or text; None for anything else, such as the -1 of a rejected picture.

    scale: 100 for the percentages that Windows writes.
    """
    with suppress(TypeError, ValueError, OverflowError):
        number = float(value)
        if math.isfinite(number) and 0 <= number <= scale:
            return (
                round(number) if scale == 5 else max((stars for least, stars in _STARS if number >= least), default=0)
            )
    return None


def parse_moment(text: Any) -> str | None:
    """Return a date of EXIF or XMP in ISO 8601, without fractions of a second and time zone.

    Takes `2024:05:17 10:20:30` and what programs make of it: dashes, slashes, a T, digits alone, AM, PM, the hour 24, a
    leap second, no seconds, no time, a zone. None for anything else, such as a camera's zeros or a year before 1826,
    when the first photograph was taken.
    """
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    text = text.strip("\0 \t\r\n") if isinstance(text, str) and len(text) < 100 else ""
    match = _MOMENT.fullmatch(text) or _DIGITS.fullmatch(text)
    if not match:
        return None
    *numbers, half = match.groups()
    year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
    if half and 1 <= hour <= 12:
        hour = hour % 12 + 12 * (half.upper() == "PM")
    is_midnight = (hour, minute, second) == (24, 0, 0)
    try:
        moment = datetime(year, month, day, 0 if is_midnight else hour, minute, 59 if second == 60 else second)
        moment += timedelta(days=is_midnight)
    except (ValueError, OverflowError):
        return None
    return moment.isoformat() if moment.year >= _FIRST_PHOTOGRAPH else None


def parse_offset(text: Any) -> str | None:
    """Return the time zone at the end of a date, or alone, as hours and minutes from UTC: `+02:00`. None if it has
    none."""
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    text = text.strip("\0 \t\r\n") if isinstance(text, str) and len(text) < 100 else ""
    match = _OFFSET.fullmatch(text)
    if not match:
        return None
    if match[1]:
        return "+00:00"
    return f"{match[2]}{match[3]}:{match[4]}" if int(match[3]) <= _MAX_HOURS and int(match[4]) < 60 else None
