"""Parts of pictures, and what became of looking for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Failure
from retrieval.records.base import Listing, Record


@dataclass(frozen=True, slots=True)
class Part(Record):
    """Something in a picture, with a place in it."""

    id: int
    """The part's id."""
    item: int
    """The id of the item that it is in."""
    kind: str
    """What it is: "subject", "regions", "tiles" ..."""
    box: tuple[int, int, int, int] | None
    """x and y of the upper left corner, width and height, in pixels of the upright picture; None: all of it."""
    score: float | None = None
    """How sure the finder is, 0 to 1."""
    mask: str | None = None
    """Where in the box it is, as a grid: "4x2:1 2 5" are 4 columns, 2 rows, and row by row the lengths of runs, of
    which the first lies outside."""
    page: int | None = None
    """The page that it is, or is on, from 1 on."""
    start: float | None = None
    """Where it begins in a film, in seconds."""
    end: float | None = None
    """Where it ends in a film, in seconds."""
    text: str | None = None
    """What it says."""
    finder: str | None = None
    """The finder that has found it."""
    version: str | None = None
    """The finder's version."""


@dataclass(frozen=True, slots=True)
class PartPage(Listing[Part]):
    """A page of parts."""

    parts: tuple[Part, ...]
    """The parts of this page."""
    cursor: int | None
    """The number of the next page; None: there are no more."""
    as_of: int
    """The change number that the page belongs to."""

    def _rows(self) -> tuple[Part, ...]:
        return self.parts


@dataclass(frozen=True, slots=True)
class FindReport(Record):
    """Counts and failures of one `find_parts`."""

    items: int
    """The number of items that were looked at."""
    with_parts: int
    """The number of those in which there are any parts."""
    parts: int
    """The number of parts that were found."""
    failed: int
    """The number of items whose pictures could not be read."""
    failures: tuple[Failure, ...]
    """What could not be read, and why."""
    change: int
    """The newest change number."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""
