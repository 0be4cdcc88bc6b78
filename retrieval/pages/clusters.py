"""The clusters of a collection to look at: a tree for the terminal, and one page that needs nothing but itself."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from unicodedata import category

__all__ = ["LEVELS", "Album", "Tile", "html", "tree"]

LEVELS = ("coarse", "medium", "fine")
_SAMPLES, _SAMPLE = 3, 24  # captions in a line of the tree, and the columns that one may take
_JOINERS = "\u200c\u200d"  # part of words in some scripts, and of emoji

Below = Mapping[int | None, list["Tile"]]
"""The clusters inside each cluster, by its id; those in no other under None."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One cluster, as it is shown."""

    id: int
    level: str
    """One of the album's levels."""
    name: str | None
    """None: nobody has named it."""
    size: int
    parent: int | None
    """Id of the coarser cluster that it lies in; None where there is none, or it is not shown."""
    tightness: float
    """Mean similarity among its members, 0 to 1."""
    new: int
    """Members that came lately."""
    pictures: tuple[int, ...]
    """Ids of the items that stand for it, the medoid first, up to nine."""


@dataclass(frozen=True, slots=True)
class Album:
    """What a view of the clusters is made of: plain records, so that a view asks no database."""

    title: str
    tiles: tuple[Tile, ...]
    """Of all levels, nested by `parent`, the largest first."""
    loose: int
    """Items in no cluster."""
    items: int
    captions: Mapping[int, str]
    """A short name (a file's name) by the id of the item."""
    as_of: int
    """The change number that all of it belongs to."""
    note: str = ""
    """Printed at the foot, such as an attribution."""
    levels: tuple[str, ...] = LEVELS
    """Coarse to fine."""


def printable(text: str) -> str:
    """The text with nothing in it that steers a terminal or turns the direction of reading, and that UTF-8 can hold.

    File names come from strangers: they may hold escape sequences, line feeds, and bytes that are no text (which Python
    keeps as surrogates). Those are spelled out; spaces of all kinds become plain ones.
    """
    return "".join(one if one.isprintable() or one in _JOINERS else _spelled(one) for one in text)


def _spelled(letter: str) -> str:
    return " " if category(letter) == "Zs" else letter.encode("unicode_escape").decode()


def _below(album: Album) -> Below:
    """Which clusters lie in which. A parent that is not shown, or not coarser, doesn't count: so no circles."""
    ranks = {tile.id: album.levels.index(tile.level) for tile in album.tiles}
    found: dict[int | None, list[Tile]] = {}
    for tile in album.tiles:
        coarser = tile.parent is not None and ranks.get(tile.parent, len(album.levels)) < ranks[tile.id]
        found.setdefault(tile.parent if coarser else None, []).append(tile)
    return found


def _same(tile: Tile, below: Below) -> list[Tile]:
    """The cluster and those of finer levels that hold just what it holds; the views show them as one."""
    chain = [tile]
    while len(inner := below.get(chain[-1].id, [])) == 1 and inner[0].size == tile.size:
        chain += inner
    return chain


def _captions(album: Album, tile: Tile) -> list[str]:
    return [printable(album.captions[item]) for item in tile.pictures if album.captions.get(item)]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


# ---- the terminal


def tree(album: Album, width: int = 100, depth: int = 2) -> str:
    """The clusters as an indented tree, the finer ones below the coarser ones, `depth` of them deep.

    A line: size, name, some captions, what is new, and the id. A cluster without a name is called by its captions. One
    that holds a single other of the same size is one line with it, under the name and id of the first that has a name.
    No line is wider than `width` columns (at least 40), and each ends in `#id`, whatever had to be cut.
    """
    below = _below(album)
    count = f"{_counted(album.items, 'item')}, {_counted(len(album.tiles), 'cluster')}, as of change {album.as_of:,}"
    lines = [_cut(f"{printable(album.title)}: {count}", max(width, 40)), ""]
    lines += _branches(album, below, below.get(None, []), max(width, 40), depth, "")
    lines += [""] if below else []
    lines += [printable(album.note)] if album.note else []
    return "\n".join([*lines, _counted(album.loose, "loose item")])


def _branches(album: Album, below: Below, tiles: list[Tile], width: int, depth: int, rail: str) -> Iterator[str]:
    """The lines of these clusters, and of what lies in them."""
    digits = max((len(f"{tile.size:,}") for tile in tiles), default=0)
    for tile in tiles:
        chain, last = _same(tile, below), tile is tiles[-1]
        inner = below.get(chain[-1].id, [])
        shown = next((one for one in chain if one.name), tile)
        start = f"{rail}{'└' if last else '├'} {tile.size:>{digits},}  "
        end = _facts(shown, len(inner) if depth <= 1 else 0, width - len(start))
        room = width - len(start) - len(end)
        text = _told(album, shown, room)
        yield f"{start}{text}{' ' * (room - _columns(text))}{end}"
        if depth > 1:
            yield from _branches(album, below, inner, width, depth - 1, rail + ("  " if last else "│ "))


def _facts(tile: Tile, parts: int, room: int) -> str:
    """How a line ends: what is new, how many clusters lie in it unseen, and the id; only that where room is scarce."""
    new = f"  +{tile.new:,} new" if tile.new else ""
    unseen = f"  {_counted(parts, 'part')}" if parts else ""
    full, bare = f"{unseen}{new}  #{tile.id}", f"  #{tile.id}"
    return full if len(full) < room - 12 else bare


def _told(album: Album, tile: Tile, room: int) -> str:
    """What a line says of a cluster: its name, then captions in the room that is left."""
    samples = ", ".join(_cut(one, _SAMPLE) for one in _captions(album, tile)[:_SAMPLES])
    if not tile.name:
        return _cut(samples or "unnamed", room)
    name = _cut(printable(tile.name), room)
    left = room - _columns(name) - 2
    return f"{name}: {_cut(samples, left)}" if samples and left >= _SAMPLE // 2 else name


def _columns(text: str) -> int:
    """How many columns of a terminal it takes: wide letters take two, accents of their own none."""
    from rich.cells import cell_len

    return cell_len(text)


def _cut(text: str, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than that."""
    if _columns(text) <= width:
        return text
    text = text[: 4 * width]
    while text and _columns(text) >= width:
        text = text[:-1]
    return text.rstrip(" ,") + "…"


# ---- the page


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
