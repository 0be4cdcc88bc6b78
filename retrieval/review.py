"""Copies to look at: one page that needs nothing but itself, each copy beside the one to keep and laid over it."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from indexers.errors import NearkinError
from retrieval.album import printable
from retrieval.duplicates import DuplicateGroup, Pair, differs
from retrieval.results import Item

if TYPE_CHECKING:
    from PIL.Image import Image

    from retrieval.collection import Collection

STYLE = """
:root { color-scheme: light dark; --page: #f4f4f1; --card: #fff; --line: #dcdcd6; --ink: #1a1b1e; --quiet: #62646c; }
@media (prefers-color-scheme: dark) {
  :root { --page: #131416; --card: #1d1f22; --line: #34373c; --ink: #ececea; --quiet: #a2a5ad; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1280px; padding: 20px clamp(12px, 3vw, 32px); background: var(--page);
  color: var(--ink); font: 16px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.125rem; margin: 0 0 2px; }
p { margin: 0; } .quiet { color: var(--quiet); font-size: .9375rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 16px;
  margin-top: 18px; }
figure { margin: 14px 0 0; } figcaption { margin-top: 6px; }
img { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff; }
.keep { font-weight: 600; }
"""


def html(collection: Collection, groups: Iterable[DuplicateGroup], title: str) -> str:
    """The page: for each group the picture to keep and why, and each copy with the proof."""
    some = list(groups)
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{_digest(STYLE)}'"
    body = "".join(_section(collection, group) for group in some)
    none = "" if some else "<p>No copies were found.</p>"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body><h1>{_text(title)}</h1>"
        f'<p class="quiet">{len(some)} groups. The one to keep is on the left, the copy in the middle; on the right it '
        "lies over the one to keep, and what differs is pink.</p>"
        f"{none}{body}</body></html>\n"
    )


def _section(collection: Collection, group: DuplicateGroup) -> str:
    items = {item.id: item for item in collection.get(group.items)}
    keep = items[group.keep]
    rest = "".join(_figure(collection, group, items, one) for one in group.items if one != group.keep)
    places = "".join(f'<p class="quiet">also in {_text(uri)}</p>' for uri in keep.uris[1:])
    return (
        f"<section><h2>{_text(group.kind)}: {len(group.items)} items, at least {group.weakest:.2f} sure</h2>"
        f'<p class="keep">Keep {_told(keep)} <span class="quiet">({_text(group.reason)})</span></p>{places}{rest}'
        "</section>"
    )


def _figure(collection: Collection, group: DuplicateGroup, items: Mapping[int, Item], one: int) -> str:
    beside = [pair for pair in group.pairs if {pair.a, pair.b} == {group.keep, one}]
    caption = f"<figcaption>{_told(items[one])}{_proof(beside[0], group.keep) if beside else ''}</figcaption>"
    try:
        image = collection.overlay(group.keep, one) if beside else None
    except NearkinError as error:
        return f'<figure><p class="quiet">{_text(str(error))}</p>{caption}</figure>'
    shown = f'<img src="{_address(image)}" alt="both, and one over the other" loading="lazy">' if image else ""
    return f"<figure>{shown}{caption}</figure>"


def _proof(pair: Pair, keep: int) -> str:
    said = [pair.kind, f"score {pair.score:.2f}"]
    said += [f"{pair.evidence['inliers']} points agree"] if pair.evidence.get("inliers") else []
    said += [f"{pair.evidence['overlap']:.0%} in common"] if pair.evidence.get("overlap") else []
    return f'<p class="quiet">{_text(", ".join([*said, *differs(pair, keep)]))}</p>'


def _told(item: Item) -> str:
    size = f"{item.width} x {item.height} {item.format or ''}, {item.bytes or 0:,} bytes"
    return f'{_text(item.uri or item.key)} <span class="quiet">{_text(size)}</span>'


def _address(image: Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=75)
    return f"data:image/webp;base64,{b64encode(stream.getvalue()).decode()}"


def _text(text: str) -> str:
    return escape(printable(text))


def _digest(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
