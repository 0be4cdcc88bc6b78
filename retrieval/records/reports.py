"""Reports of what was done, and of what a collection holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexers.types import Failure, Json, Space
from retrieval.records.base import Record
from retrieval.records.work import WorkInfo

if TYPE_CHECKING:
    from indexers.progress import Tally

ENDED = ("done", "failed", "cancelled")
"""States of a job that has ended."""


@dataclass(frozen=True, slots=True)
class AddReport(Record):
    """Counts and failures of one `add`."""

    added: int
    """The number of new items."""
    known: int
    """The number of pictures that the collection had already, under the same path or another."""
    failed: int
    """The number of pictures that could not be read."""
    failures: tuple[Failure, ...]
    """What could not be read, and why."""
    change: int
    """The newest change number."""
    replaced: int = 0
    """The number of items that got another picture or vector under their key."""
    failed_before: int = 0
    """The number of failures that were known, have not changed since, and were not tried again."""
    items: tuple[int, ...] = field(default=(), repr=False)
    """Ids in the order of the input where pictures or vectors were passed one by one; else those of the new items."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""


@dataclass(frozen=True, slots=True)
class SyncReport(Record):
    """Counts and failures of one `sync`."""

    added: int
    """The number of new items."""
    known: int
    """The number of pictures that the collection had already, under the same path or another."""
    failed: int
    """The number of pictures that could not be read."""
    failures: tuple[Failure, ...]
    """What could not be read, and why."""
    change: int
    """The newest change number."""
    missing: int
    """The number of locations that have vanished."""
    returned: int
    """The number of locations that had vanished and are there again."""
    failed_before: int = 0
    """The number of failures that were known, have not changed since, and were not tried again."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""


@dataclass(frozen=True, slots=True)
class ReadReport(Record):
    """Counts and failures of one `read`."""

    read: int
    """The number of pictures whose text was read."""
    with_text: int
    """The number of those in which there is any."""
    failed: int
    """The number of pictures that could not be read."""
    failures: tuple[Failure, ...]
    """What could not be read, and why."""
    change: int
    """The newest change number."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""


@dataclass(frozen=True, slots=True)
class SpaceInfo(Record):
    """One embedder's vectors over the collection."""

    name: str
    """The space's name."""
    embedder: str | None
    """The embedder that made the vectors; None for ready-made ones."""
    dimension: int
    """The length of a vector."""
    metric: str
    """How vectors are compared: cosine, ip, l2 ..."""
    vectors: int
    """The number of its vectors."""
    current: bool
    """True for the space that is searched unless another one is named."""

    @classmethod
    def of(cls, space: Space, vectors: int) -> SpaceInfo:
        return cls(space.name, space.embedder, space.dimension, space.metric, vectors, space.current)


@dataclass(frozen=True, slots=True)
class PartInfo(Record):
    """What a collection holds of one kind of parts."""

    kind: str
    """The kind, such as "regions"."""
    parts: int
    """The number of parts."""
    looked: int
    """The number of pictures that were looked at as they are now, with or without parts in them."""
    waiting: int
    """The number of pictures that were not looked at yet; `find_parts` does it."""
    failed: int
    """The number of those looked at whose files could not be read."""
    finders: tuple[str, ...]
    """The finders that have looked."""
    bytes: int
    """Size on disk of the vectors in the catalogue and of the files derived from them, of all spaces."""


@dataclass(frozen=True, slots=True)
class Info(Record):
    """What a collection holds."""

    path: str
    """The collection's folder."""
    items: int
    """The number of items."""
    vectors: int
    """The number of vectors in the current space."""
    dimension: int | None
    """The length of a vector in the current space."""
    space: str | None
    """The name of the current space; None while the collection is empty."""
    embedder: str | None
    """The embedder of the current space; None for ready-made vectors."""
    metric: str | None
    """The metric of the current space."""
    index: str
    """The kind of vector index, and what serves in its place if its package is not installed."""
    change: int
    """The newest change number."""
    locations: int
    """The number of paths and URIs of all items."""
    missing: int
    """The number of locations that have vanished."""
    failures: int
    """The number of pictures that could not be read."""
    bytes: int
    """Size on disk: the catalogue and all derived files."""
    settings: Json = field(hash=False)
    """The settings of the vector index."""
    repairs: tuple[str, ...]
    """What was rebuilt when the collection was opened, and why."""
    words: bool = False
    """True if the embedder reads words, so that `search(text=...)` works."""
    work: WorkInfo | None = None
    """How far the work is that many processes share; None while there is none."""
    parts: tuple[PartInfo, ...] = ()
    """The kinds of parts that were looked for, by kind."""


@dataclass(frozen=True, slots=True)
class Report(Record):
    """The result of `verify`."""

    ok: bool
    """True if nothing is wrong, or no longer."""
    problems: tuple[str, ...]
    """What is wrong."""
    repaired: tuple[str, ...]
    """What was repaired."""
    checked: tuple[str, ...]
    """What was checked."""


@dataclass(frozen=True, slots=True)
class Backup(Record):
    """A complete and checked copy of a collection."""

    path: str
    """Its folder, which opens like any collection."""
    items: int
    """The number of items in it."""
    vectors: int
    """The number of vectors in it, of all spaces."""
    change: int
    """The newest change in it."""
    bytes: int
    """Its size on disk."""
    seconds: float = 0.0
    """How long it took."""


@dataclass(frozen=True, slots=True)
class Job(Record):
    """Work in the background. Times are seconds since 1970."""

    id: str
    """The job's id."""
    kind: str
    """What it does: add, sync, retry, fill, cluster, refresh, recluster, duplicates, evaluate or verify."""
    asked: Json = field(hash=False)
    """The parameters of the request."""
    state: str = "queued"
    """queued, running, done, failed or cancelled."""
    done: int = 0
    """How much of `total` is done."""
    total: int | None = None
    """How much there is to do; None: not known."""
    what: str = ""
    """The current step."""
    report: Json | None = field(default=None, hash=False)
    """The result of a job that is done."""
    error: str | None = None
    """Why a job failed."""
    tries: int = 0
    """How often it was started."""
    created: float = field(default_factory=time.time)
    """When it was queued."""
    started: float | None = None
    """When it was started last."""
    ended: float | None = None
    """When it ended."""
    problem: str | None = None
    """The name of the error with which a job failed, such as bad-query."""


def count_outcomes(tally: Tally) -> Json:
    """Return the counts that every report takes from a run."""
    return {
        "added": len(tally.added),
        "known": tally.known,
        "failed": len(tally.failures),
        "failures": tuple(tally.failures),
        "failed_before": tally.failed_before,
    }
