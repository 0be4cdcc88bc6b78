"""What programs propose."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Json
from retrieval.records.base import Record


@dataclass(frozen=True, slots=True)
class Proposal(Record):
    """A change that a program proposes. Nothing comes of it until a person accepts it."""

    id: int
    """Its number."""
    kind: str
    """keep, not duplicates, keep both, merge, move, together, apart, hide, rename, metadata or remove."""
    items: tuple[int, ...]
    """The items that it is about; of a "keep" the first is the one to keep."""
    clusters: tuple[int, ...]
    """The clusters that it is about."""
    name: str | None
    """The name that a cluster shall get."""
    metadata: Json = field(hash=False)
    """What shall be merged into the items' metadata."""
    reason: str
    """Why, in the program's own words, which nobody has checked."""
    source: str
    """The program that proposes it."""
    state: str
    """open, accepted or rejected."""
    at: str
    """When it was proposed, in UTC (ISO 8601)."""
    decided_at: str | None
    """When it was accepted or rejected."""
    decisions: tuple[int, ...]
    """The ids of the decisions that were made of it, for `undo`."""
