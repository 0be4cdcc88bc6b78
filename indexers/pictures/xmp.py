"""XMP: what photo programs write about a picture, inside the file or in a sidecar beside it.

An XMP packet is RDF in XML (ISO 16684-1). Only the properties that are wanted are read, in the forms in which digiKam,
darktable, Lightroom and Windows write them. Packets come from anywhere: one with a document type is refused (that is
where entities are declared), and so is one that is too long or too deep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from indexers.pictures.wording import clean_text, clean_texts, parse_moment, parse_offset, parse_rating, split_paths
from indexers.types import Json

MAX_BYTES = 16 * 2**20
"""The bytes of a packet, at most. darktable keeps the history of a picture in it, with every stroke of a mask."""
MAX_DEPTH = 100

_NAMESPACES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "xml": "http://www.w3.org/XML/1998/namespace",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "darktable": "http://darktable.sf.net/",
    "MicrosoftPhoto": "http://ns.microsoft.com/photo/1.0/",
    "mediapro": "http://ns.iview-multimedia.com/mediapro/1.0/",
}
_PREFIXES = {uri.rstrip("/"): prefix for prefix, uri in _NAMESPACES.items()}  # some leave the last slash out
_PATHS = {"lr:hierarchicalSubject": "|", "digiKam:TagsList": "/", "MicrosoftPhoto:LastKeywordXMP": "/"}
_PATHS["mediapro:CatalogSets"] = "|"
_DATES = "exif:DateTimeOriginal", "photoshop:DateCreated", "exif:DateTimeDigitized", "xmp:CreateDate"
_TEXTS = {
    "title": ("dc:title", "photoshop:Headline"),
    "caption": ("dc:description",),
    "label": ("xmp:Label",),
    "copyright": ("dc:rights",),
    "city": ("photoshop:City",),
    "state": ("photoshop:State",),
    "country": ("photoshop:Country",),
}
_DIGIKAM_LABELS = "", "Red", "Orange", "Yellow", "Green", "Blue", "Magenta", "Gray", "Black", "White"
_DARKTABLE_LABELS = "Red", "Yellow", "Green", "Blue", "Purple"
_POSITION = re.compile(
    r"(\d+(?:\.\d+)?)(?:,(\d+(?:\.\d+)?))?(?:,(\d+(?:\.\d+)?))?\s*([NSEW])", re.ASCII | re.IGNORECASE
)
_MAX_ALTITUDE = 1e5
_ITEM = re.compile(r"rdf:(?:li|_\d+)", re.ASCII)
_JUNK_BEHIND = expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT]
_DECLARATION = re.compile(rb"""\s*<\?xml\s[^>]{,99}encoding\s*=\s*["']([\w.:-]+)""", re.ASCII)
_FORBIDDEN = re.compile(
    rb"[\0-\x08\x0b\x0c\x0e-\x1f]|&#(?:0*(?:[0-8]|1[124-9]|2\d|3[01])|x0*(?:[0-8bcef]|1[\da-f]));", re.IGNORECASE
)
"""Control characters, and references to them, which XML has no place for; programs copy them out of EXIF."""


def parse_xmp(packet: bytes) -> Json:
    """Return what a packet says of its picture, under the keys of `indexers.pictures.tags.FIELDS`.

    Raises ValueError for what is no XMP, or is not safe to read.
    """
    properties = _read_properties(_parse_xml(packet))
    values: Json = {}
    for key, names in _TEXTS.items():
        values[key] = next((text for name in names if (text := _first(properties, name))), None)
    values["label"] = values["label"] or _read_colour(properties)
    values["creator"] = "; ".join(clean_texts(properties.get("dc:creator", ()))) or None
    rating = parse_rating(_first(properties, "xmp:Rating"))
    values["rating"] = rating if rating is not None else parse_rating(_first(properties, "MicrosoftPhoto:Rating"), 100)
    paths = [path for name, mark in _PATHS.items() for path in split_paths(properties.get(name, ()), mark)]
    tags = [*properties.get("dc:subject", ()), *(name for path in paths for name in path)]
    values["tags"], values["tag_paths"] = clean_texts(tags), clean_texts("|".join(path) for path in paths)
    values |= _read_date(properties) | _read_place(properties)
    return {key: value for key, value in values.items() if value not in (None, [])}


def _parse_xml(packet: bytes) -> Element:
    """Return the tree, the names of known namespaces with their usual prefix (`dc:title`)."""
    if len(packet) > MAX_BYTES:
        raise ValueError(f"an XMP packet of {len(packet):,} bytes; the limit is {MAX_BYTES:,}")
    content, encoding = _decode(packet)
    builder, depth = TreeBuilder(), 0
    parser = expat.ParserCreate(encoding, namespace_separator="}")
    parser.buffer_text = True

    def refuse(*_: Any) -> None:
        raise ValueError("XMP with a document type, which is not read")

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError("XMP that is nested too deep")
        builder.start(_shorten(name), {_shorten(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_shorten(name))

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError) as error:
        if getattr(error, "code", None) != _JUNK_BEHIND:  # such as what was left of a longer packet
            raise ValueError(f"damaged XMP: {error}") from error
    return builder.close()


def _decode(packet: bytes) -> tuple[bytes, str | None]:
    """Return a packet without padding and what XML forbids, and its encoding; None if it states one byte a letter.

    Others become UTF-8, by the zeros around the first `<`: programs convert a packet and leave its declaration as it
    was. Old ones write the letters of Windows and declare nothing.
    """
    start = packet.find(b"<")
    if packet[start + 1 : start + 4] == bytes(3):
        text = packet.decode("utf-32-be" if start % 4 else "utf-32-le", "replace")
    elif packet[start + 1 : start + 2] == b"\0":
        text = packet.decode("utf-16-be" if start % 2 else "utf-16-le", "replace")
    elif (declared := _DECLARATION.match(packet)) and not declared[1].lower().startswith(b"utf"):
        return _FORBIDDEN.sub(b"", packet).strip(), None
    else:
        try:
            text = packet.decode()
        except UnicodeDecodeError:
            text = packet.decode("cp1252", "replace")
    return _FORBIDDEN.sub(b"", text.strip("\ufeff\0 \t\r\n").encode()).strip(), "utf-8"


def _shorten(name: str) -> str:
    uri, mark, local = name.rpartition("}")
    prefix = _PREFIXES.get(uri.rstrip("/"))
    return f"{prefix}:{local}" if mark and prefix else name


def _read_properties(root: Element) -> dict[str, list[str]]:
    """Return the texts of each property: attributes, elements, the items of lists; `x-default` comes first."""
    properties: dict[str, list[str]] = {}
    described = next(root.iter("rdf:RDF"), ())  # not what lies deeper: it is about other pictures, such as sources
    for description in [element for element in described if element.tag == "rdf:Description"]:
        for name, value in description.attrib.items():
            properties.setdefault(name, []).append(value)
        for element in description:
            properties.setdefault(element.tag, []).extend(_read_values(element))
    return properties


def _read_values(element: Element) -> list[str]:
    items = [item for container in element for item in container if _ITEM.fullmatch(item.tag)]
    items.sort(key=lambda item: item.get("xml:lang", "x-default") != "x-default")
    return [_read_text(item) for item in items or [element]]


def _read_text(element: Element) -> str:
    """Return an element's own text; of one with qualifiers, its `rdf:value`."""
    value = next(element.iter("rdf:value"), element)
    return value.text or ""


def _first(properties: Mapping[str, Iterable[str]], name: str) -> str | None:
    return next((text for value in properties.get(name, ()) if (text := clean_text(value))), None)


def _read_colour(properties: Mapping[str, Iterable[str]]) -> str | None:
    """Return the name of a colour label, which digiKam and darktable number."""
    for name, colours in (("digiKam:ColorLabel", _DIGIKAM_LABELS), ("darktable:colorlabels", _DARKTABLE_LABELS)):
        number = _first(properties, name) or ""
        if number.isdigit() and int(number) < len(colours):
            return colours[int(number)] or None
    return None


def _read_date(properties: Mapping[str, Iterable[str]]) -> Json:
    for name in _DATES:
        text = _first(properties, name)
        if text and (moment := parse_moment(text)):
            return {"taken_at": moment, "utc_offset": parse_offset(text)}
    return {}


def _read_place(properties: Mapping[str, Iterable[str]]) -> Json:
    """Return `latitude`, `longitude` (only together) and `altitude`."""
    place: Json = {}
    latitude, longitude = (
        _read_degrees(properties, "Latitude", "NS", 90),
        _read_degrees(properties, "Longitude", "EW", 180),
    )
    if None not in (latitude, longitude) and (latitude, longitude) != (0, 0):
        place |= {"latitude": latitude, "longitude": longitude}
    with suppress(ValueError, ZeroDivisionError):
        number, _, divisor = (_first(properties, "exif:GPSAltitude") or "").partition("/")
        altitude = float(number) / float(divisor or 1)
        if abs(altitude) < _MAX_ALTITUDE:
            place["altitude"] = round(-altitude if _first(properties, "exif:GPSAltitudeRef") == "1" else altitude, 2)
    return place


def _read_degrees(properties: Mapping[str, Iterable[str]], name: str, letters: str, limit: int) -> float | None:
    """Return the degrees of a property, to which Apple's programs write the direction apart."""
    degrees = _parse_degrees(_first(properties, f"exif:GPS{name}"), letters, limit)
    direction = (_first(properties, f"exif:GPS{name}Ref") or "").upper()
    return -degrees if degrees is not None and degrees > 0 and direction == letters[1] else degrees


def _parse_degrees(text: str | None, letters: str, limit: int) -> float | None:
    """Return degrees of `48,12.6N`, `48,12,36N`, `48.21 N` or `48.21`; west and south are negative."""
    match = _POSITION.fullmatch(text or "")
    if match and match[4].upper() in letters:
        degrees = sum(float(part or 0) / 60**power for power, part in enumerate(match.groups()[:3]))
        degrees *= -1 if match[4].upper() == letters[1] or match[4].upper() == "W" else 1
    else:
        try:
            degrees = float(text or "")
        except ValueError:
            return None
    return round(degrees, 7) if abs(degrees) <= limit else None
