"""The answers of a search."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexers.errors import UnreadablePicture
from indexers.types import Json
from retrieval.records.base import HANDLE, Listing, Record
from retrieval.records.clusters import Cluster
from retrieval.records.notebook import render_thumbnails
from retrieval.records.pictures import PictureSource

if TYPE_CHECKING:
    from PIL.Image import Image


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
    metadata: Json
    """The item's metadata."""
    clusters: tuple[int, ...] = ()
    """Public ids of the clusters it lies in, coarse to fine."""
    text: str | None = None
    """The text of the item, or its words where it is a text."""
    missing: bool = False
    """True if its file has vanished, or can't be read any more."""
    _pictures: PictureSource | None = field(default=None, repr=False, compare=False, metadata=HANDLE)

    def image(self, edge: int = 0) -> Image:
        """Return the upright RGB picture; with `edge`, at least that many pixels long. Raises UnreadablePicture."""
        return self._source().load(self.item, edge)

    def thumbnail(self, edge: int = 160) -> bytes:
        """Return a WebP of the picture, at most `edge` pixels long. Raises UnreadablePicture."""
        return self._source().make_thumbnail(self.item, edge)

    def _source(self) -> PictureSource:
        if self._pictures is None:
            raise UnreadablePicture(
                "this hit is not connected to an open collection (it was built by hand, or unpickled), so it can't "
                "load its picture; search again in an open collection"
            )
        return self._pictures


@dataclass(frozen=True, slots=True, repr=False)
class Hits(Listing[Hit]):
    """The answer to a search: hits, best first. `as_of`: the change number of the catalogue that it belongs to.
    `groups`: with `group=True`, the clusters that the hits lie in."""

    hits: tuple[Hit, ...]
    as_of: int
    groups: tuple[Group, ...] = ()

    def _rows(self) -> tuple[Hit, ...]:
        return self.hits

    def __repr__(self) -> str:
        best = "".join(f"\n  {hit.score:+.4f}  {hit.item:>7}  {hit.uri or hit.key}" for hit in self.hits[:5])
        more = f"\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"<{len(self)} hits as of change {self.as_of}{best}{more}>"

    def _repr_html_(self) -> str:
        shown = self.hits[:20]
        title = f"{len(self)} hits as of change {self.as_of}" + (", the best 20:" if len(self) > 20 else "")
        captions = [(hit.item, f"{hit.score:.3f} {hit.uri or hit.key}") for hit in shown]
        return render_thumbnails(title, captions, shown[0]._pictures if shown else None)


@dataclass(frozen=True, slots=True)
class Group(Record):
    """A cluster with its best hits."""

    cluster: Cluster | None
    """None for hits that are in no cluster."""
    hits: tuple[Hit, ...]
    """Its hits, best first."""
