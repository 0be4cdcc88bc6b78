"""Copies to look at: one page that needs nothing but itself, each copy beside the one to keep and laid over it."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from indexers.errors import NearkinError
from retrieval.pages.page import page, text
from retrieval.records.duplicates import DuplicateGroup, Pair, list_differences
from retrieval.records.items import Item

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.collection import Collection

STYLE = """
img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
.keep { font-weight: 600; }
"""


def html(collection: Collection, groups: Iterable[DuplicateGroup], title: str) -> str:
    """The page: for each group the picture to keep and why, and each copy with the proof."""
    some = list(groups)
    body = "".join(_section(collection, group) for group in some)
    none = "" if some else "<p>No copies were found.</p>"
    about = (
        f'<p class="quiet">{len(some)} groups. The one to keep is on the left, the copy in the middle; on the right it '
        "lies over the one to keep, and what differs is pink.</p>"
    )
    return page(title, f"{about}{none}{body}", STYLE)


def _section(collection: Collection, group: DuplicateGroup) -> str:
    items = {item.id: item for item in collection.get(group.items)}
    keep = items[group.keep]
    rest = "".join(_figure(collection, group, items, one) for one in group.items if one != group.keep)
    places = "".join(f'<p class="quiet">also in {text(uri)}</p>' for uri in keep.uris[1:])
    return (
        f"<section><h2>{text(group.kind)}: {len(group.items)} items, at least {group.weakest:.2f} sure</h2>"
        f'<p class="keep">Keep {_told(keep)} <span class="quiet">({text(group.reason)})</span></p>{places}{rest}'
        "</section>"
    )


def _figure(collection: Collection, group: DuplicateGroup, items: Mapping[int, Item], one: int) -> str:
    beside = [pair for pair in group.pairs if {pair.a, pair.b} == {group.keep, one}]
    caption = f"<figcaption>{_told(items[one])}{_proof(beside[0], group.keep) if beside else ''}</figcaption>"
    try:
        image = collection.overlay(group.keep, one) if beside else None
    except NearkinError as error:
        return f'<figure><p class="quiet">{text(str(error))}</p>{caption}</figure>'
    shown = f'<img src="{_address(image)}" alt="both, and one over the other" loading="lazy">' if image else ""
    return f"<figure>{shown}{caption}</figure>"


def _proof(pair: Pair, keep: int) -> str:
    said = [pair.kind, f"score {pair.score:.2f}"]
    said += [f"{pair.evidence['inliers']} points agree"] if pair.evidence.get("inliers") else []
    said += [f"{pair.evidence['overlap']:.0%} in common"] if pair.evidence.get("overlap") else []
    return f'<p class="quiet">{text(", ".join([*said, *list_differences(pair, keep)]))}</p>'


def _told(item: Item) -> str:
    size = f"{item.width} x {item.height} {item.format or ''}, {item.bytes or 0:,} bytes"
    return f'{text(item.uri or item.key)} <span class="quiet">{text(size)}</span>'


def _address(image: Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=75)
    return f"data:image/webp;base64,{b64encode(stream.getvalue()).decode()}"
