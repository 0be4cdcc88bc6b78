"""Ways from one picture to another, and summaries."""

from __future__ import annotations

from dataclasses import dataclass

from retrieval.records.base import Record
from retrieval.records.search import Hit, render_hits


@dataclass(frozen=True, slots=True)
class NeighbourPath(Record):
    """A way from one picture to another, from neighbour to neighbour."""

    kind: str
    """widest or shortest."""
    hits: tuple[Hit, ...]
    """The pictures, in order. The score of each is its similarity to the one before it, of the first 1."""
    weakest: float
    """The similarity of the two neighbours that are least alike."""
    as_of: int
    """The change number of the catalogue that it belongs to."""

    def __repr__(self) -> str:
        steps = "".join(f"\n  {hit.score:.4f}  {hit.item:>7}  {hit.uri or hit.key}" for hit in self.hits)
        return f"<{self.kind} path of {len(self.hits)} pictures, weakest link {self.weakest:.4f}{steps}>"

    def _repr_html_(self) -> str:
        return render_hits(f"{self.kind} path, weakest link {self.weakest:.3f}", self.hits)


@dataclass(frozen=True, slots=True)
class Summary(Record):
    """A few pictures that stand for many."""

    hits: tuple[Hit, ...]
    """The pictures, first the one that tells most. The score of each is the share of the pictures that are most like
    it."""
    total: int
    """The number of pictures that they stand for."""
    as_of: int
    """The change number of the catalogue that it belongs to."""

    def __repr__(self) -> str:
        rows = "".join(f"\n  {hit.score:.1%}  {hit.item:>7}  {hit.uri or hit.key}" for hit in self.hits)
        return f"<{len(self.hits)} pictures that stand for {self.total}{rows}>"

    def _repr_html_(self) -> str:
        return render_hits(f"{len(self.hits)} pictures that stand for {self.total}", self.hits)
