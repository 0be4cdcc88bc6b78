"""The map of a collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexers.types import Ids, Json
from retrieval.records.base import Record


@dataclass(frozen=True, slots=True)
class Territory(Record):
    """Where a cluster lies on the map."""

    cluster: int
    """The cluster's id."""
    name: str | None
    """The cluster's name."""
    level: str
    """coarse, medium or fine."""
    size: int
    """The number of its items on the map."""
    x: float
    """The median of its items."""
    y: float
    """The median of its items."""
    medoid: int
    """The item nearest to all others."""


@dataclass(frozen=True, slots=True, eq=False)
class CollectionMap(Record):
    """A place for every item with a vector, near to what it is like, where it stays as others come and go."""

    items: Ids
    """int64 (n,), ids, sorted."""
    x: NDArray[np.float32] = field(repr=False)
    """float32 (n,), nearly all within -1 to 1."""
    y: NDArray[np.float32] = field(repr=False)
    """float32 (n,), upwards, nearly all within -1 to 1."""
    clusters: Ids = field(repr=False)
    """int64 (n, 3), clusters from coarse to fine; 0: in none."""
    territories: tuple[Territory, ...] = field(repr=False)
    """Where the clusters lie, the largest first in each level."""
    as_of: int
    """The change number that it follows."""
    built: int
    """The change number at which all places were laid out anew; 0: it was not laid out yet."""

    def to_dict(self) -> Json:
        """Return the map as JSON values."""
        arrays: dict[str, Any] = {name: getattr(self, name).tolist() for name in ("items", "x", "y", "clusters")}
        others = {"as_of": self.as_of, "built": self.built}
        return {**arrays, "territories": [territory.to_dict() for territory in self.territories], **others}

    def _repr_html_(self) -> str:
        from retrieval.records.notebook import render_fields

        return render_fields({"items": len(self.items), "as_of": self.as_of, "built": self.built})
