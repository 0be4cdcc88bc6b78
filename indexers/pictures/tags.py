"""What a file tells of its picture: how it is turned, when and where it was taken, and with which camera."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from PIL import Image

from indexers.types import Json

_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_MAKE, _MODEL = 0x010F, 0x0110
_TAKEN, _DIGITIZED, _CHANGED = 0x9003, 0x9004, 0x0132
_FIRST_PHOTOGRAPH = 1826
_MOMENT = re.compile(
    r"(\d{4})[:/.-](\d{1,2})[:/.-](\d{1,2})"
    r"(?:[T ]+(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:[.,]\d*)?)?)?\s*(?:Z|UTC|[+-]\d{2}:?\d{2})?",
    re.ASCII | re.IGNORECASE,
)


class Tags(NamedTuple):
    """What is read of a picture's tags.

    `orientation`: 1 to 8, as EXIF has it. `taken_at`: ISO 8601, the time that the camera's clock showed. `place`:
    latitude and longitude in degrees, altitude in metres, as far as they are known.
    """

    orientation: int = 1
    taken_at: str | None = None
    camera: str | None = None
    place: Json = {}  # noqa: RUF012 (never changed)


def read_tags(image: Image.Image) -> Tags:
    """Read the tags of EXIF that are sound. A damaged EXIF block, or one nonsense tag, does not spoil the picture."""
    orientation, taken_at, camera, place = 1, None, None, Json()
    with suppress(Exception):
        exif = image.getexif()
        number = exif.get(_ORIENTATION, 1)
        orientation = number if number in range(1, 9) else 1
        camera = _join_camera_names(exif.get(_MAKE), exif.get(_MODEL))
        changed = exif.get(_CHANGED)
        taken_at = parse_moment(changed)  # stays if the block with the other dates is damaged
        more = exif.get_ifd(_EXIF)
        moments = map(parse_moment, (more.get(_TAKEN), more.get(_DIGITIZED), changed))
        taken_at = next((moment for moment in moments if moment), None)
        place = _read_place(exif.get_ifd(_GPS))
    return Tags(orientation, taken_at, camera, place)


def _join_camera_names(make: Any, model: Any) -> str | None:
    """Return one name: `Canon` and `Canon EOS 5D` give `Canon EOS 5D`, `Apple` and `iPhone 12` `Apple iPhone 12`."""
    maker, name = (" ".join(tag.strip("\0 ").split()) if isinstance(tag, str) else "" for tag in (make, model))
    camera = (name if name.lower().startswith(maker.lower()) else f"{maker} {name}").strip()
    return camera[:100] if camera and camera.isprintable() else None


def parse_moment(text: Any) -> str | None:
    """Return a date of EXIF or XMP in ISO 8601, without fractions of a second and time zone.

    Takes `2024:05:17 10:20:30` and what programs make of it: dashes, slashes, a T, no seconds, no time, a zone. None
    for anything else, such as a camera's zeros or a year before 1826, when the first photograph was taken.
    """
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    match = _MOMENT.fullmatch(text.strip("\0 \t\r\n")) if isinstance(text, str) and len(text) < 100 else None
    if not match:
        return None
    try:
        moment = datetime(*(int(part or 0) for part in match.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    return moment.isoformat() if moment.year >= _FIRST_PHOTOGRAPH else None


def _read_place(gps: Any) -> Json:
    """Return `latitude`, `longitude` and `altitude`, as far as the GPS tags state them."""
    place: Json = {}
    with suppress(Exception):
        position = [_read_degrees(gps[1], gps[2], "S", 90), _read_degrees(gps[3], gps[4], "W", 180)]
        if None not in position and position != [0, 0]:  # which is what programs write that know no place
            place = dict(zip(("latitude", "longitude"), position, strict=True))
    with suppress(Exception):
        altitude = float(gps[6])
        below = gps.get(5) in (1, b"\x01")
        if math.isfinite(altitude) and abs(altitude) < 1e5:
            place["altitude"] = round(-altitude if below else altitude, 2)
    return place


def _read_degrees(reference: Any, values: Any, negative: str, limit: int) -> float | None:
    degrees = sum(float(value) / 60**power for power, value in enumerate(_iterate_numbers(values)))
    sign = -1 if str(reference).strip("\0 ").upper().startswith(negative) else 1
    return round(sign * degrees, 7) if math.isfinite(degrees) and 0 <= degrees <= limit else None


def _iterate_numbers(values: Any) -> Iterator[Any]:
    yield from values[:3] if isinstance(values, (tuple, list)) else (values,)
