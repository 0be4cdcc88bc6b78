"""What a file tells of its picture: how it is turned, when and where it was taken, with which camera, and what people
have written about it."""

from __future__ import annotations

import binascii
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from PIL import Image

from indexers.pictures.capture import read_capture
from indexers.pictures.iptc import find_iptc, parse_iptc
from indexers.pictures.wording import clean_caption, clean_text, clean_texts, parse_moment, parse_offset, parse_rating
from indexers.pictures.xmp import MAX_BYTES, parse_xmp
from indexers.types import Json

FIELDS: dict[str, type] = {
    "title": str,
    "caption": str,
    "tags": list,
    "tag_paths": list,
    "rating": int,
    "label": str,
    "creator": str,
    "copyright": str,
    "city": str,
    "state": str,
    "country": str,
    "utc_offset": str,
}
"""What people and programs write about a picture, and its type: metadata keys of the item. Lists hold texts."""

PLACE_FIELDS = "latitude", "longitude", "altitude"

_ORIENTATION, _EXIF, _GPS = 0x0112, 0x8769, 0x8825
_MAKE, _MODEL = 0x010F, 0x0110
_DATES = ((0x9003, 0x9011), (0x9004, 0x9012))  # taken and digitized, each with its time zone
_CHANGED, _OFFSET = 0x0132, 0x9010
_DESCRIPTION, _ARTIST, _COPYRIGHT, _RATING, _PERCENT = 0x010E, 0x013B, 0x8298, 0x4746, 0x4749
_WINDOWS_TITLE, _WINDOWS_COMMENT, _WINDOWS_AUTHOR, _WINDOWS_KEYWORDS = 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E
_XMP_TAG, _IPTC_TAG, _RESOURCES_TAG = 700, 33723, 34377
_IPTC_RESOURCE, _DIGEST_RESOURCE, _XMP_RESOURCE = 0x0404, 0x0425, 0x0424
_PNG_TEXTS = {"title": "Title", "caption": "Description", "creator": "Author", "copyright": "Copyright"}


class Tags(NamedTuple):
    """What is read of a picture's tags.

    `orientation`: 1 to 8, as EXIF has it. `taken_at`: ISO 8601, the time that the camera's clock showed. `place`:
    latitude and longitude in degrees, altitude in metres, as far as they are known. `description`: FIELDS.
    `capture`: how it was taken, see `indexers.pictures.capture`.
    """

    orientation: int = 1
    taken_at: str | None = None
    camera: str | None = None
    place: Json = {}  # noqa: RUF012 (never changed)
    description: Json = {}  # noqa: RUF012
    capture: Json = {}  # noqa: RUF012


def read_tags(image: Image.Image) -> Tags:
    """Read what is sound of EXIF, XMP, IPTC and a PNG's texts. A damaged block, or a nonsense tag, spoils nothing else.

    Where several say something, EXIF counts for date and place, and XMP, IPTC, EXIF, in this order, for what people
    write: programs keep XMP up to date, and IPTC where they say so. Tags of all are joined.
    """
    exif, changed = _read_exif(image)
    blocks = [*_read_blocks(image), exif.description, _read_png_texts(image)]
    written = _combine(blocks) | _join_lists(blocks)
    taken_at = exif.taken_at or written.get("taken_at") or changed
    if exif.taken_at or not written.get("taken_at"):  # a time zone goes with its date
        written["utc_offset"] = exif.description.get("utc_offset")
    place = {key: written[key] for key in PLACE_FIELDS if key in written}
    description = {key: written[key] for key in FIELDS if written.get(key) is not None}
    return Tags(exif.orientation, taken_at, exif.camera, place | exif.place, description, exif.capture)


def _combine(statements: Iterable[Mapping[str, Any]]) -> Json:
    combined: Json = {}
    for statement in statements:
        combined = {**statement, **combined}
    return combined


def _join_lists(statements: Iterable[Mapping[str, Any]]) -> Json:
    """Return the tags of all blocks: some programs write only those with a hierarchy into one, or none into another."""
    lists = {
        key: [name for said in statements for name in said.get(key, ())] for key, kind in FIELDS.items() if kind is list
    }
    return {key: list(dict.fromkeys(names)) for key, names in lists.items() if names}


def _read_exif(image: Image.Image) -> tuple[Tags, str | None]:
    """Return what EXIF says, and apart from it when the file was changed."""
    orientation, taken_at, camera, changed = 1, None, None, None
    place, description, capture = Json(), Json(), Json()
    with suppress(Exception):
        exif = image.getexif()
        number = exif.get(_ORIENTATION, 1)
        orientation = number if number in range(1, 9) else 1
        camera = _join_camera_names(exif.get(_MAKE), exif.get(_MODEL))
        changed = parse_moment(exif.get(_CHANGED))  # stays if the block with the other dates is damaged
        description = _read_exif_texts(exif)
        more = exif.get_ifd(_EXIF)
        dates = [(more.get(date), more.get(offset)) for date, offset in _DATES]
        sound = [(moment, date, offset) for date, offset in dates if (moment := parse_moment(date))]
        taken_at = sound[0][0] if sound else None
        capture = read_capture(more, camera)
        date, offset = sound[0][1:] if sound else (exif.get(_CHANGED), None)
        description["utc_offset"] = parse_offset(offset) or parse_offset(more.get(_OFFSET)) or parse_offset(date)
        place = _read_place(exif.get_ifd(_GPS))
    return Tags(orientation, taken_at, camera, place, description, capture), changed


def _read_exif_texts(exif: Image.Exif) -> Json:
    """Return what is written in EXIF's own tags and in those that Windows added."""
    texts = {
        "title": _decode_windows(exif.get(_WINDOWS_TITLE)),
        "caption": clean_caption(_mend_text(exif.get(_DESCRIPTION))) or _decode_windows(exif.get(_WINDOWS_COMMENT)),
        "creator": clean_text(_mend_text(exif.get(_ARTIST))) or _decode_windows(exif.get(_WINDOWS_AUTHOR)),
        "copyright": clean_text(_mend_text(exif.get(_COPYRIGHT))),
    }
    rating = parse_rating(exif.get(_RATING))
    values: Json = texts | {
        "tags": clean_texts((_decode_windows(exif.get(_WINDOWS_KEYWORDS)) or "").split(";")) or None,
        "rating": rating if rating is not None else parse_rating(exif.get(_PERCENT), 100),
    }
    return {key: value for key, value in values.items() if value is not None}


def _mend_text(text: Any) -> Any:
    """Return a text that Pillow took for Latin-1 as the UTF-8 that it is, if it is."""
    with suppress(UnicodeError, AttributeError):
        return text.encode("latin-1").decode("utf-8")
    return text


def _decode_windows(value: Any) -> str | None:
    """Return a text that Windows has written: UTF-16 in bytes."""
    with suppress(TypeError, ValueError):
        return clean_text(bytes(value).decode("utf-16-le", "replace").split("\0")[0]) if value else None
    return None


def _read_blocks(image: Image.Image) -> list[Json]:
    """Return what XMP and IPTC say, the one that counts first."""
    xmp, iptc = Json(), Json()
    packet, block, digest = b"", b"", b""
    with suppress(Exception):
        packet, block, digest = _find_blocks(image)
    with suppress(Exception):
        xmp = parse_xmp(packet) if packet else xmp
    with suppress(Exception):
        iptc = parse_iptc(block)
    # programs that write both note IPTC's digest; one that writes IPTC alone leaves it as it was
    is_iptc_newer = len(digest) == 16 and any(digest) and digest != hashlib.md5(block, usedforsecurity=False).digest()
    return [iptc, xmp] if is_iptc_newer else [xmp, iptc]


def _find_blocks(image: Image.Image) -> tuple[bytes, bytes, bytes]:
    """Return the XMP packet, the IPTC block and the digest noted of it, each perhaps empty."""
    info, photoshop = image.info, image.info.get("photoshop")
    resources: dict[int, Any] = photoshop if isinstance(photoshop, dict) else {}
    resources = resources | {number: data for number, _, data in getattr(image, "resources", ())}  # of a PSD
    tiff = getattr(getattr(image, "tag_v2", None), "_tagdata", {})  # as it lies there: often stated to be numbers
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp") or resources.get(_XMP_RESOURCE) or tiff.get(_XMP_TAG)
    block = resources.get(_IPTC_RESOURCE) or info.get("iptc") or tiff.get(_IPTC_TAG)
    block = block or find_iptc(tiff.get(_RESOURCES_TAG) or b"")
    packet = packet or _unpack_profile(info.get("Raw profile type xmp"))
    block = block or _unpack_profile(info.get("Raw profile type iptc"))
    packet = packet.encode() if isinstance(packet, str) else packet
    return packet or b"", find_iptc(block) or block or b"", resources.get(_DIGEST_RESOURCE) or b""


def _unpack_profile(text: Any) -> bytes:
    """Return a block that ImageMagick has written into a PNG as text: a name, a length, and hexadecimal digits."""
    digits = "".join(text.split()[2:]) if isinstance(text, str) and len(text) < 2 * MAX_BYTES else ""
    return binascii.unhexlify(digits)


def _read_png_texts(image: Image.Image) -> Json:
    texts = getattr(image, "text", {}) if image.format == "PNG" else {}
    values = {key: clean_caption(str(texts.get(name) or "")) for key, name in _PNG_TEXTS.items()}
    return {key: value for key, value in values.items() if value is not None}


def _join_camera_names(make: Any, model: Any) -> str | None:
    """Return one name: `Canon` and `Canon EOS 5D` give `Canon EOS 5D`, `Apple` and `iPhone 12` `Apple iPhone 12`."""
    maker, name = (" ".join(tag.strip("\0 ").split()) if isinstance(tag, str) else "" for tag in (make, model))
    camera = (name if name.lower().startswith(maker.lower()) else f"{maker} {name}").strip()
    return camera[:100] if camera and camera.isprintable() else None


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
    whole, *smaller = map(float, _iterate_numbers(values))
    known = [0 if math.isnan(value) else value for value in smaller]  # 0/0 is what many write for no seconds
    degrees = sum(value / 60**power for power, value in enumerate([whole, *known]))
    sign = -1 if str(reference).strip("\0 ").upper().startswith(negative) else 1
    return round(sign * degrees, 7) if math.isfinite(degrees) and 0 <= degrees <= limit else None


def _iterate_numbers(values: Any) -> Iterator[Any]:
    yield from values[:3] if isinstance(values, (tuple, list)) else (values,)
