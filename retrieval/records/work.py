"""Work that many processes share: what was queued, what was done, and how far all of it is."""

from __future__ import annotations

from dataclasses import dataclass, field

from indexers.types import Failure, Json
from retrieval.records.base import Record


@dataclass(frozen=True, slots=True)
class QueueReport(Record):
    """Counts and failures of one `queue`."""

    queued: int
    """The number of rows of work that wait now."""
    known: int
    """The number of pictures that the collection had already, and that are not queued."""
    failed: int
    """The number of paths that could not be entered or followed."""
    failures: tuple[Failure, ...]
    """What could not be read, and why."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""


@dataclass(frozen=True, slots=True)
class WorkReport(Record):
    """Counts and failures of one `work`."""

    done: int
    """The number of rows of work that were done."""
    failed: int
    """The number of rows that could not be done."""
    failures: tuple[Failure, ...]
    """What could not be done, and why."""
    change: int
    """The newest change number."""
    seconds: float = field(default=0.0, compare=False)
    """How long it took."""


@dataclass(frozen=True, slots=True)
class WorkInfo(Record):
    """How far the work is that many processes share."""

    waiting: int
    """The number of rows that wait for a worker."""
    running: int
    """The number of rows that a worker holds."""
    failed: int
    """The number of rows that could not be done."""
    kinds: Json = field(hash=False)
    """These numbers by kind of work."""
    workers: int = 0
    """The number of workers alive."""
    rate: float = 0.0
    """The number of rows that they do in a second, all of them together."""
    dead: tuple[str, ...] = ()
    """The workers that have ended without a word: what they held is done by others."""
    failures: tuple[Failure, ...] = ()
    """What failed last, and why."""
