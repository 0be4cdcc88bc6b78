"""The page of duplicates: each duplicate next to the picture to keep, with both laid over each other."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from indexers.errors import NearkinError
from retrieval.pages.page import escape, format_count, make_data_uri, render_page
from retrieval.records.duplicates import DuplicateGroup, Pair, list_differences
from retrieval.records.items import Item

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.collection import Collection

STYLE = """
img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
.keep { font-weight: 600; }
"""


def render_duplicates(collection: Collection, groups: Iterable[DuplicateGroup], title: str) -> str:
    """Return the page: for each group the picture to keep and why, and each duplicate with its proof."""
    rows = list(groups)
    body = "".join(_render_group(collection, group) for group in rows) or "<p>No duplicates found.</p>"
    summary = (
        f'<p class="quiet">{format_count(len(rows), "group")}. In each row: the picture to keep on the left, the '
        "duplicate in the middle, and on the right the duplicate laid over the picture to keep, with differences in "
        "pink.</p>"
    )
    return render_page(title, f"{summary}{body}", STYLE)


def _render_group(collection: Collection, group: DuplicateGroup) -> str:
    items = {item.id: item for item in collection.get(group.items)}
    keep = items[group.keep]
    figures = "".join(_render_copy(collection, group, items, item) for item in group.items if item != group.keep)
    uris = "".join(f'<p class="quiet">also at {escape(uri)}</p>' for uri in keep.uris[1:])
    heading = f"{escape(group.kind)}: {len(group.items)} items, confidence at least {group.weakest:.2f}"
    reason = f'<span class="quiet">({escape(group.reason)})</span>'
    return (
        f'<section><h2>{heading}</h2><p class="keep">Keep {_describe_item(keep)} {reason}</p>{uris}{figures}</section>'
    )


def _render_copy(collection: Collection, group: DuplicateGroup, items: Mapping[int, Item], item_id: int) -> str:
    """Return the figure of one duplicate; without an image where no direct proof exists, or a picture is gone."""
    proof = next((pair for pair in group.pairs if {pair.a, pair.b} == {group.keep, item_id}), None)
    text = f"{_describe_item(items[item_id])}{_describe_proof(proof, group.keep) if proof else ''}"
    caption = f"<figcaption>{text}</figcaption>"
    try:
        overlay = collection.overlay(group.keep, item_id) if proof else None
    except NearkinError as error:
        return f'<figure><p class="quiet">{escape(str(error))}</p>{caption}</figure>'
    alt = "the picture to keep, the duplicate, and one laid over the other"
    image = f'<img src="{_encode_image(overlay)}" alt="{alt}" loading="lazy">' if overlay else ""
    return f"<figure>{image}{caption}</figure>"


def _describe_proof(pair: Pair, keep: int) -> str:
    facts = [pair.kind, f"confidence {pair.score:.2f}"]
    facts += [f"{pair.evidence['inliers']} matching points"] if pair.evidence.get("inliers") else []
    facts += [f"{pair.evidence['overlap']:.0%} overlap"] if pair.evidence.get("overlap") else []
    return f'<p class="quiet">{escape(", ".join([*facts, *list_differences(pair, keep)]))}</p>'


def _describe_item(item: Item) -> str:
    facts = f"{item.width} x {item.height} {item.format or ''}, {item.bytes or 0:,} bytes"
    return f'{escape(item.uri or item.key)} <span class="quiet">{escape(facts)}</span>'


def _encode_image(image: Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=75)
    return make_data_uri(stream.getvalue(), "webp")
