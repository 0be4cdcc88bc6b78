"""Reports of what was done, and of what a collection holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from indexers.types import Failure, Json, Space
from retrieval.records.base import Record

if TYPE_CHECKING:
    from indexers.pipeline import Tally

ENDED = ("done", "failed", "cancelled")
"""States of a job that has ended."""


@dataclass(frozen=True, slots=True)
class AddReport(Record):
    """Counts and failures of one `add`.

    `added`: new items. `known`: pictures that the collection had already (another path to the same bytes counts here).
    `replaced`: items that got another picture or vector under their key. `failed`: could not be read, `failures` say
    why; `failed_before` of them had failed before, have not changed since, and were not tried again. `change`: the
    newest change number.
    """

    added: int
    known: int
    failed: int
    failures: tuple[Failure, ...]
    change: int
    replaced: int = 0
    failed_before: int = 0
    items: tuple[int, ...] = field(default=(), repr=False)
    """Ids in the order of the input where pictures or vectors were passed one by one; else those of the new items."""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class SyncReport(Record):
    """Counts of one `sync`: those of an AddReport, and how many locations have vanished (`missing`) or `returned`."""

    added: int
    known: int
    failed: int
    failures: tuple[Failure, ...]
    change: int
    missing: int
    returned: int
    failed_before: int = 0
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class SpaceInfo(Record):
    """One embedder's vectors over the collection. `current`: it is searched unless another space is named."""

    name: str
    embedder: str | None
    dimension: int
    metric: str
    vectors: int
    current: bool

    @classmethod
    def of(cls, space: Space, vectors: int) -> SpaceInfo:
        return cls(space.name, space.embedder, space.dimension, space.metric, vectors, space.current)


@dataclass(frozen=True, slots=True)
class Info(Record):
    """What a collection holds."""

    path: str
    items: int
    vectors: int
    dimension: int | None
    space: str | None
    embedder: str | None
    metric: str | None
    index: str
    change: int
    locations: int
    missing: int
    failures: int
    bytes: int
    """Size on disk: the catalogue and all derived files."""
    settings: Json
    repairs: tuple[str, ...]
    """What was rebuilt when it was opened, and why."""
    words: bool = False
    """True if the embedder reads words, so that `search(text=...)` works."""


@dataclass(frozen=True, slots=True)
class Report(Record):
    """The result of `verify`. `ok`: nothing is wrong, or no longer."""

    ok: bool
    problems: tuple[str, ...]
    repaired: tuple[str, ...]
    checked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job(Record):
    """Work in the background.

    `state`: queued, running, done, failed, cancelled. `done` of `total`: its progress; `what`: the current step.
    `report`: its result; `error`: why there is none. `tries`: how often it was started. Times are seconds since 1970.
    """

    id: str
    kind: str
    asked: Json
    state: str = "queued"
    done: int = 0
    total: int | None = None
    what: str = ""
    report: Json | None = None
    error: str | None = None
    tries: int = 0
    created: float = field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None


def count_outcomes(tally: Tally) -> Json:
    """Return the counts that every report takes from a run."""
    return {
        "added": len(tally.added),
        "known": tally.known,
        "failed": len(tally.failures),
        "failures": tuple(tally.failures),
        "failed_before": tally.failed_before,
    }
