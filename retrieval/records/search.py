"""The answers of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexers.errors import UnreadablePicture
from indexers.types import Json
from retrieval.checks import check_whole
from retrieval.records.base import HANDLE, Listing, Record
from retrieval.records.clusters import Cluster
from retrieval.records.notebook import render_fields, render_thumbnails
from retrieval.records.parts import Part
from retrieval.records.pictures import PictureSource

if TYPE_CHECKING:
    from PIL.Image import Image


SHOWN = 20
"""Hits that a notebook shows."""
NEAREST = "no other item can be nearer"
WITHIN_RADIUS = "no other item lies within the radius"
NEAREST_PER_CLUSTER = "no other item can be nearer within the limit of each cluster"
MAX_ODDS = 1_000_000
UNSURE = "unsure"
"""The certainty of a hit so near as many unrelated items may be."""


@dataclass(frozen=True, slots=True)
class Hit(Record):
    """One answer to a search."""

    item: int
    """The item's id."""
    key: str
    """The item's key."""
    score: float
    """Larger is nearer: cosine similarity, or a negated distance."""
    uri: str | None
    """The item's first path or URI."""
    metadata: Json = field(hash=False)
    """The item's metadata."""
    clusters: tuple[int, ...] = ()
    """Public ids of the clusters it lies in, coarse to fine."""
    text: str | None = None
    """The text of the item."""
    missing: bool = False
    """True if its file has vanished, or can't be read any more."""
    chance: float | None = None
    """The share of unrelated items that would be as near: .00005 is 1 in 20,000. None if its score is not that of a
    vector, or if the space has fewer than 50 items."""
    certainty: str | None = None
    """How many unrelated items may be so near: "certain" none, "likely" at most one, "possible" at most ten, "unsure"
    more. None as for `chance`."""
    part: Part | None = None
    """The part of its picture by which it was found, if parts were searched for (`by`)."""
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def image(self, edge: int = 0) -> Image:
        """Return the picture, RGB, as a person sees it.

        edge: with a number of pixels the picture may come smaller, its longer edge at least that long; 0: in full.

        Raises UnreadablePicture, BadQuery.
        """
        return self._source().load(self.item, check_whole(edge, "edge is a number of pixels,", 0))

    def thumbnail(self, edge: int = 160) -> bytes:
        """Return a WebP of the picture, its longer edge at most `edge` pixels. Raises UnreadablePicture, BadQuery."""
        return self._source().make_thumbnail(self.item, check_whole(edge, "edge is a number of pixels,"))

    def describe_chance(self) -> str:
        """Return certainty and chance as a person reads them: "likely, 1 in 20,000 by chance"; "" if none is known."""
        if self.chance is None:
            return ""
        return f"{self.certainty}, {format_odds(self.chance)} by chance"

    def _label(self) -> str:
        """Return the score for a caption, with the certainty if it is known."""
        return f"{self.score:.3f} {self.certainty or ''}".rstrip()

    def _source(self) -> PictureSource:
        if self._pictures is None:
            raise UnreadablePicture(
                "this hit is not connected to an open collection (it was built by hand, or unpickled), so it can't "
                "load its picture; search again in an open collection"
            )
        return self._pictures

    def _repr_html_(self) -> str:
        thumbnail = render_hits("", (self,)) if self._pictures else ""
        return thumbnail + render_fields(self.to_dict())


@dataclass(frozen=True, slots=True, repr=False)
class Hits(Listing[Hit]):
    """The answer to a search: hits, best first. `as_of`: the change number of the catalogue that it belongs to.
    `groups`: with `group=True`, the clusters with the best hits. `proof`: a sentence that says what was shown, such as
    "no other item can be nearer"; None if an index answered, which may miss some. `unknown_words`: words that the query
    asks pictures for, which the embedder doesn't know and has left out."""

    hits: tuple[Hit, ...]
    as_of: int
    groups: tuple[Group, ...] = ()
    proof: str | None = None
    unknown_words: tuple[str, ...] = ()

    def _rows(self) -> tuple[Hit, ...]:
        return self.hits

    def __repr__(self) -> str:
        best = "".join(f"\n  {hit.score:+.4f}  {hit.item:>7}  {hit.uri or hit.key}" for hit in self.hits[:5])
        more = f"\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"<{len(self)} hits as of change {self.as_of}{best}{more}>"

    def _repr_html_(self) -> str:
        title = f"{len(self)} hits as of change {self.as_of}"
        if self.groups:
            return render_thumbnails(f"{title}, in {len(self.groups)} groups", (), None) + "".join(
                group._repr_html_() for group in self.groups
            )
        return render_hits(title + (f", the best {SHOWN}:" if len(self) > SHOWN else ""), self.hits)


@dataclass(frozen=True, slots=True)
class Group(Record):
    """A cluster with its best hits."""

    cluster: Cluster | None
    """None for hits that are in no cluster."""
    hits: tuple[Hit, ...]
    """Its hits, best first."""

    def _repr_html_(self) -> str:
        return render_hits(self.cluster._title() if self.cluster else "in no cluster", self.hits)


def format_odds(chance: float) -> str:
    """Return a chance as "1 in 20,000", to two digits, as far as it can be told."""
    if chance < 1 / MAX_ODDS:
        return f"< 1 in {MAX_ODDS:,}"
    odds = 1 / chance
    digits = 10 ** max(len(str(int(odds))) - 2, 0)
    return f"1 in {int(odds / digits + 0.5) * digits:,}"


def render_hits(title: str, hits: Sequence[Hit]) -> str:
    """Return a title and the thumbnails of the best hits, with scores and paths."""
    captions = [(hit.item, f"{hit._label()} {hit.uri or hit.key}") for hit in hits[:SHOWN]]
    return render_thumbnails(title, captions, hits[0]._pictures if hits else None)
