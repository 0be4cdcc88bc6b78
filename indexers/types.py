"""The small frozen records that pass between rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]
Json = dict[str, Any]
Metric = str
"""A name that `indexers.vectors.metrics.parse_metric` gives: cosine, ip, l2, l1, minkowski:3 ..."""
Level = str
"""One of the tree's levels, or the name of a clustering that somebody asked for beside it."""
LEVELS: tuple[Level, ...] = ("coarse", "medium", "fine")
ChangeKind = Literal["added", "changed", "removed", "vector set", "vector removed"]


class Neighbours(NamedTuple):
    """The answer of a vector search over n queries.

    `ids` int64 (n, k), -1 where fewer than k exist; `scores` float32 (n, k), larger is nearer, -inf beside -1;
    `position`: the change number that the answer belongs to.
    """

    ids: Ids
    scores: Vectors
    position: int


class Change(NamedTuple):
    """The net result, for one item in one space, of all changes in a range. `space` None: the item itself."""

    number: int
    item_id: int
    space_id: int | None
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Space:
    """One embedder's vectors over the collection."""

    id: int
    name: str
    embedder: str | None
    settings: Json
    fingerprint: str
    dimension: int
    metric: Metric
    current: bool


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file met by a scan, not yet read."""

    path: str
    uri: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """A place that a scan could not enter or follow, and why."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a decoded picture says of itself. `width` and `height` as a person sees it (after EXIF rotation)."""

    width: int
    height: int
    format: str
    taken_at: str | None = None
    """ISO 8601 without a zone, from EXIF."""
    camera: str | None = None
    """Make and model, from EXIF."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a picture may cost before it is refused."""

    max_pixels: int = 180_000_000
    max_bytes: int = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that could not be read."""

    uri: str
    reason: str
    stage: str = "read"
    attempts: int = 1
    at: str = field(default="", compare=False)

    def to_dict(self) -> Json:
        return {"uri": self.uri, "reason": self.reason, "stage": self.stage, "attempts": self.attempts, "at": self.at}


class KnownLocation(NamedTuple):
    """What the catalogue holds of a location."""

    item_id: int
    size: int | None
    mtime_ns: int | None
    is_missing: bool
    has_vector: bool
    """The item has a vector in the space asked for."""


class UnembeddedItem(NamedTuple):
    """An item without a vector in some space. `uri`: where its picture is, if anywhere."""

    item_id: int
    key: str
    hash: bytes | None
    uri: str | None


class HitRow(NamedTuple):
    """What a hit shows of its item; `clusters`: coarse to fine, where asked for."""

    key: str
    uri: str | None
    metadata: Json
    clusters: tuple[int, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as the catalogue holds it; `uris` without those that have vanished, unless all have."""

    id: int
    key: str
    hash: bytes | None
    width: int | None
    height: int | None
    format: str | None
    bytes: int | None
    text: str | None
    taken_at: str | None
    added_at: int
    metadata: Json
    uris: tuple[str, ...]
    missing: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """Something to be kept: a picture or a ready-made vector, with all that is known of it. No key: it is made."""

    key: str | None = None
    hash: bytes | None = None
    facts: PictureFacts | None = None
    bytes: int | None = None
    uri: str | None = None
    file: FoundFile | None = None
    text: str | None = None
    metadata: Json = field(default_factory=dict)
    vector: NDArray[np.float32] | None = None
    item_id: int | None = None
    """It is there already, and only its vector arrives."""


class StoredArrival(NamedTuple):
    """What became of an arrival. `new`: the item did not exist before."""

    item_id: int
    is_new: bool


class TreeLevels(NamedTuple):
    """The clusters of a space: as of change `position`; the similarities at which `levels` cut the tree, chosen among
    so many items at change `since`."""

    position: int
    levels: tuple[float, float, float]
    item_count: int
    since: int


class ItemClusters(NamedTuple):
    """The clusters of each item: `items` int64 (n,), sorted; `labels` int64 (n, 3), coarse to fine, or (n, 1) in a
    clustering by name, 0 where it is loose; `since` int64 (n,), the change at which it came into its cluster (of
    medium)."""

    item_ids: Ids
    cluster_ids: NDArray[np.int64]
    since: Ids


class ClusteringRow(NamedTuple):
    """A clustering by name, in a space. `choice`: how the items to learn from were chosen. `labels`: the public id of
    each of the model's labels. `begun`: what it was like when it was made, at change `since`. `position`: the change
    that its members follow. `written`: how often they were."""

    id: int
    space: int
    name: str
    method: str
    parameters: Json
    choice: Json
    labels: list[int]
    begun: Json
    since: int
    made_at: int
    position: int
    written: int


class ClusterRow(NamedTuple):
    """What is remembered of a cluster. `given`: a person chose the name. `born`: the change at which it came up."""

    id: int
    level: Level
    name: str | None
    named_by_person: bool
    born_at: int


class ClusterEventRow(NamedTuple):
    """What happened to a cluster (none: to all). `others`: what it split into, was born from, took in or died into;
    `gained`, `lost`: members; `size`: afterwards."""

    cluster_id: int | None
    level: Level | None
    kind: str
    related: tuple[int, ...] = ()
    gained: int = 0
    lost: int = 0
    size: int = 0
    change: int = 0
