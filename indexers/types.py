"""Small frozen records that pass between rooms. The fields of a catalogue row are called as its columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]
Json = dict[str, Any]
Metric = str
"""A name that `indexers.vectors.metrics.parse_metric` gives: cosine, ip, l2, l1, minkowski:3 ..."""
Level = str
"""A level of the cluster tree, or the name of a clustering that a user made beside it."""
LEVELS: tuple[Level, ...] = ("coarse", "medium", "fine")
CorrectionKind = Literal["merge", "split", "move", "together", "apart", "hide"]
DECISIONS = "not duplicates", "keep both", "keep"
"""What a decision about two contents says of them."""
COVER = "cover "
"""What a decision about one content begins with, which is both its first and its second: it is the cover of its stack,
whose kind follows."""
MERGE = "merge"
"""What a decision says by which an item that is kept has taken over what its duplicates said; both contents are its
own, and the table `merging` says the rest."""
CORRECTION = "correction"
"""What decisions about clusters say; the table of that name says the rest."""
QUALITY = "sharpness", "noise", "exposure", "contrast"
"""How good a picture is, from 0 to 1: fields of an item, which filters compare with."""
LABEL = "label"
"""What decisions about what items are say; the table of that name says the rest."""
CORRECTION_KINDS: tuple[CorrectionKind, ...] = get_args(CorrectionKind)
ChangeKind = Literal["added", "changed", "removed", "vector set", "vector removed"]
Rebuild = Callable[[], Callable[[], None]]
"""The long part of a rebuild, which may run beside everything; it returns the short part, which changes the state."""


class Neighbours(NamedTuple):
    """The answer of a vector search over n queries.

    ids: int64 (n, k), -1 where fewer than k exist.
    scores: float32 (n, k), larger is nearer, -inf beside -1.
    position: the change number that the answer belongs to.
    proved: every vector was compared, or a bound shows that it can't be nearer.
    """

    ids: Ids
    scores: Vectors
    position: int
    proved: bool = False


class Change(NamedTuple):
    """The net result of all changes in a range for one item in one space; `space_id` is None for the item itself."""

    number: int
    item_id: int
    space_id: int | None
    kind: ChangeKind


@dataclass(frozen=True, slots=True)
class Space:
    """One embedder's vectors over the collection: those of items, or of their parts of the kind `parts`."""

    id: int
    name: str
    embedder: str | None
    settings: Json
    fingerprint: str
    dimension: int
    metric: Metric
    current: bool
    parts: str | None = None


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that a scan came across, not yet read."""

    path: str
    uri: str
    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int | None = None
    sidecar: FoundFile | None = None
    """The XMP file beside it that tells more of the picture."""


@dataclass(frozen=True, slots=True)
class ScanFailure:
    """A path that a scan could not enter or follow, and the reason."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """Facts that a decoded picture holds. `width` and `height` are those a person sees, after EXIF rotation."""

    width: int
    height: int
    format: str
    taken_at: str | None = None
    """ISO 8601 without a time zone, from EXIF, XMP or IPTC."""
    camera: str | None = None
    """Make and model, from EXIF."""
    place: Json = field(default_factory=dict)
    """`latitude` and `longitude` in degrees, `altitude` in metres, as far as EXIF or XMP state them."""
    description: Json = field(default_factory=dict)
    """What people have written about it into the file: title, caption, tags ... (`indexers.pictures.tags.FIELDS`)."""
    capture: Json = field(default_factory=dict)
    """How it was taken: when to the fraction of a second, exposure, lens ... (`indexers.pictures.capture.FIELDS`)."""

    @property
    def metadata(self) -> Json:
        """All that the file says of its picture, as metadata; `taken_at` among it."""
        values: Json = {"taken_at": self.taken_at, "camera": self.camera}
        return {key: value for key, value in values.items() if value} | self.place | self.description


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture that is decoded."""

    max_pixels: int = 180_000_000
    max_bytes: int = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that could not be read."""

    uri: str
    """The path or URI."""
    reason: str
    """Why it could not be read."""
    stage: str = "read"
    """The step that failed."""
    attempts: int = 1
    """How often it was tried."""
    at: str = field(default="", compare=False)
    """When it failed last, ISO 8601."""

    def to_dict(self) -> Json:
        return {"uri": self.uri, "reason": self.reason, "stage": self.stage, "attempts": self.attempts, "at": self.at}


class KnownLocation(NamedTuple):
    """A location that the catalogue holds for one item or several, with its file as last seen."""

    item_ids: tuple[int, ...]
    size: int | None
    mtime_ns: int | None
    inode: int | None
    ctime_ns: int | None
    is_missing: bool
    has_vector: bool
    """Each of the items has a vector in the space of the query."""

    def shows(self, file: FoundFile) -> bool:
        """Return True if the file has not changed since it was seen, as far as its status tells."""
        if (self.size, self.mtime_ns) != (file.size, file.mtime_ns):
            return False
        if self.ctime_ns is None or file.ctime_ns is None:  # recorded by an older version, or elsewhere
            return True
        return (self.inode, self.ctime_ns) == (file.inode, file.ctime_ns)


class UnembeddedItem(NamedTuple):
    """An item without a vector in a space. `uri` leads to its picture, if the item has any location."""

    item_id: int
    key: str
    hash: bytes | None
    uri: str | None


class HitRow(NamedTuple):
    """The fields of an item that a hit shows. `clusters`: cluster ids, coarse to fine, if a space was named."""

    key: str
    uri: str | None
    metadata: Json
    clusters: tuple[int, ...] = ()
    text: str | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as the catalogue holds it. `uris` leaves out files that have vanished, unless all have (`missing`)."""

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


class TrashedRow(NamedTuple):
    """An item that was removed, as the trash keeps it.

    removed_at: microseconds since 1970. state: what other tables held of it: `item`, `locations`, `clusters`, `file`,
    `reading` if its picture was read, and `parts` if these were looked for in it.
    """

    id: int
    key: str
    hash: bytes | None
    removed_at: int
    state: Json


class Sketch(NamedTuple):
    """By what copies of a picture are nominated: perceptual hashes of its eight views, and compact features (None: they
    were not computed); and where it is sharp and bright (`indexers.matching.clarity`)."""

    hashes: tuple[int, ...]
    compact: bytes | None
    clarity: bytes | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A picture or a ready-made vector to be stored, with all that is known of it. Without a key it is given one."""

    key: str | None = None
    hash: bytes | None = None
    facts: PictureFacts | None = None
    bytes: int | None = None
    uri: str | None = None
    file: FoundFile | None = None
    text: str | None = None
    metadata: Json = field(default_factory=dict)
    """What the user says; what the file says is in `facts` and `sidecar`."""
    sidecar: Json | None = None
    """What the file's sidecar says; None if it has none, or one that can't be read."""
    vector: NDArray[np.float32] | None = None
    item_id: int | None = None
    """The item exists already; only its vector arrives."""
    sketch: Sketch | None = None
    quality: tuple[float, ...] | None = None
    """How good the picture is, as QUALITY names it."""


class StoredArrival(NamedTuple):
    """The item that an arrival is stored as. `is_new`: it did not exist before."""

    item_id: int
    is_new: bool


class CorrectionRow(NamedTuple):
    """What a person said of clusters, and holds.

    id: that of the decision. kind: "merge", "split", "move" (the first group, to where the second is), "together",
    "apart" or "hide". level: of the clusters that it is about. groups: item ids. clusters: the ids of those that it
    names, as they were then.
    """

    id: int
    kind: CorrectionKind
    level: Level
    groups: tuple[tuple[int, ...], ...]
    clusters: tuple[int, ...]
    at: int


class TreeLevels(NamedTuple):
    """The cuts through the cluster tree of a space.

    position: the change that the clusters follow.
    levels: what says how the tree is cut, coarse to fine; see `indexers.tree.levels.LevelParameters`.
    item_count, since: the number of items and the change at which these parameters were chosen.
    corrections: what tells which corrections are in the clusters; see `CorrectionReader.version`.
    """

    position: int
    levels: tuple[float, float, float]
    item_count: int
    since: int
    corrections: int = 0


class ItemClusters(NamedTuple):
    """The clusters of each item.

    item_ids: int64 (n,), sorted.
    cluster_ids: int64 (n, 3), coarse to fine, or (n, 1) in a named clustering; 0 where the item is in no cluster.
    since: int64 (n,), the change at which the item came into its cluster (of the medium level).
    """

    item_ids: Ids
    cluster_ids: NDArray[np.int64]
    since: Ids


class ClusteringRow(NamedTuple):
    """A named clustering, in a space.

    choice: how the items to learn from were chosen.
    labels: the public cluster id of each of the model's labels.
    begun: statistics of the clustering when it was made, at change `since`.
    position: the change that its members follow.
    written: how often the members were written.
    """

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
    """A cluster, alive or not. `born_at`: the change at which it was first found."""

    id: int
    level: Level
    name: str | None
    named_by_person: bool
    born_at: int


class ClusterEventRow(NamedTuple):
    """An event of one cluster, or of all if `cluster_id` is None.

    related: ids of the clusters that it split into, was born from, absorbed or died into.
    gained, lost: numbers of members.
    size: the number of members afterwards.
    """

    cluster_id: int | None
    level: Level | None
    kind: str
    related: tuple[int, ...] = ()
    gained: int = 0
    lost: int = 0
    size: int = 0
    change: int = 0


class ProposalRow(NamedTuple):
    """What a program proposes. content: the items, clusters, name and metadata that it is about."""

    id: int
    kind: str
    content: Json
    reason: str
    source: str
    at: int
    state: str
    decided: int | None
    decisions: tuple[int, ...]
