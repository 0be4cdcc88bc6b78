"""The clusters of a collection to look at: a tree for the terminal, and one page that needs nothing but itself."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from retrieval.pages.album import Album, Below, Tile, _below, _captions, _counted, _same
from retrieval.pages.page import printable

_SAMPLES = 3  # captions in a row


class _Page(Template):
    """A template whose places are `@@name`, since CSS and scripts are full of dollar signs. What is filled in is not
    read again, so that a title may hold `@@`."""

    delimiter = "@@"


def html(album: Album, thumbnail: Callable[[int], bytes | None]) -> str:
    """One page, whole in itself: it asks no other host, and nothing beside it, for anything.

    `thumbnail` gives a small WebP or JPEG of an item (about 160 pixels: each is in the page once, however many clusters
    show it), None where the picture is gone. The page can be written as UTF-8, and opened from a disk. Its content
    security policy lets run only the script and the style that we ship, whatever a file's name may hold.
    """
    source = files("retrieval.pages").joinpath("clusters.html").read_text("utf-8")
    below = _below(album)
    return _Page(source).substitute(
        policy=_policy(source),
        title=_text(album.title),
        summary=_text(_summary(album)),
        outline="".join(_outline(album, below, below.get(None, []))),
        data=_json(_data(album, below, thumbnail)),
        note=_text(album.note),
    )


def _policy(source: str) -> str:
    """The content security policy: our script and our style by their hashes, pictures in the page, nothing else."""
    allowed = {tag: " ".join(_hash(text) for text in _inside(source, tag)) for tag in ("script", "style")}
    rest = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed['script']}; style-src {allowed['style']}; {rest}"


def _inside(source: str, tag: str) -> list[str]:
    return re.findall(f"<{tag}>(.*?)</{tag}>", source, re.DOTALL)


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _text(text: str) -> str:
    return escape(printable(text))


def _summary(album: Album) -> str:
    loose = f", {album.loose:,} of them in no cluster" if album.loose else ""
    return f"{_counted(album.items, 'picture')}{loose}. As of change {album.as_of:,}."


def _outline(album: Album, below: Below, tiles: Iterable[Tile]) -> Iterator[str]:
    """The clusters as nested lists, for who runs no scripts."""
    yield "<ul>"
    for tile in tiles:
        chain = _same(tile, below)
        shown = next((one for one in chain if one.name), tile)
        name = f"<b>{_text(shown.name)}</b>" if shown.name else "unnamed"
        new = f", {tile.new:,} new" if tile.new else ""
        samples = escape(", ".join(_captions(album, shown)[:_SAMPLES]))
        yield f"<li>{name} ({_counted(tile.size, 'picture')}{new}) <small>{samples} #{shown.id}</small>"
        if inner := below.get(chain[-1].id):
            yield from _outline(album, below, inner)
        yield "</li>"
    yield "</ul>"


def _data(album: Album, below: Below, thumbnail: Callable[[int], bytes | None]) -> dict[str, Any]:
    """What the script works with. Numbers are made Python's own, since they may come out of arrays."""
    names, parents = _names(album, below), {tile.id: parent for parent, inner in below.items() for tile in inner}
    shown = sorted({int(item) for tile in album.tiles for item in tile.pictures})
    drawn = ((item, thumbnail(item)) for item in shown)
    return {
        "title": printable(album.title),
        "levels": album.levels,
        "tiles": [_plain(tile, names[tile.id], parents[tile.id]) for tile in album.tiles],
        "captions": {item: printable(album.captions.get(item) or f"item {item}") for item in shown},
        "thumbnails": {item: _uri(data) for item, data in drawn if data},
    }


def _plain(tile: Tile, name: str | None, parent: int | None) -> dict[str, Any]:
    return {
        "id": int(tile.id),
        "level": tile.level,
        "name": printable(name) if name else None,
        "size": int(tile.size),
        "parent": None if parent is None else int(parent),
        "tightness": round(float(tile.tightness), 3) if 0 <= tile.tightness <= 1 else 0.0,
        "new": int(tile.new),
        "pictures": [int(item) for item in tile.pictures],
    }


def _names(album: Album, below: Below) -> dict[int, str | None]:
    """The name of each, which a cluster without one has from another that holds just the same."""
    names: dict[int, str | None] = {}
    for tile in sorted(album.tiles, key=lambda one: album.levels.index(one.level)):
        chain = _same(tile, below)
        name = next((one.name for one in chain if one.name), None)
        for one in chain:
            names.setdefault(one.id, one.name or name)
    return names


def _uri(data: bytes) -> str:
    kind = "webp" if data[:4] == b"RIFF" else "jpeg"
    return f"data:image/{kind};base64,{b64encode(data).decode()}"


def _json(value: Any) -> str:
    """JSON that can stand in a page: ASCII, and without the letters that could end the element it stands in."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
