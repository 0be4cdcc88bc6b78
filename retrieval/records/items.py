"""The records that answers are made of: frozen, with an honest repr, and `to_dict()` for JSON."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from indexers.catalogue.snapshot import moment
from indexers.errors import MissingPackage
from indexers.types import Failure, ItemRow, Json, Space

if TYPE_CHECKING:
    from pathlib import Path

    from indexers.catalogue.snapshot import Snapshot
    from indexers.pipeline import Tally
    from retrieval.config import Config
    from retrieval.records.clusters import Group

__all__ = ["AddReport", "Failure", "Hit", "Hits", "Info", "Item", "Job", "Page", "Report", "SpaceInfo", "SyncReport"]

ENDED = ("done", "failed", "cancelled")
"""States of a job that is over."""


class Record:
    """Shared by all records: `to_dict` with JSON values only, nested records too."""

    __slots__ = ()

    def to_dict(self) -> Json:
        fields = [one.name for one in dataclasses.fields(self) if one.name[0] != "_"]  # type: ignore[arg-type]
        return {name: _plain(getattr(self, name)) for name in fields}


class Table:
    """Shared by answers that are sequences of records: as a table."""

    __slots__ = ()

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with a row a record. Raises MissingPackage."""
        return frame(self)  # type: ignore[arg-type]


def frame(records: Iterable[Record]) -> Any:
    """Records, such as `cluster_events` and `outliers` give, as a pandas.DataFrame. Raises MissingPackage."""
    return table(one.to_dict() for one in records)


def table(rows: Iterable[Json], columns: Sequence[str] = ()) -> Any:
    """Dictionaries as a pandas.DataFrame, which has these columns first, whatever they hold. Raises MissingPackage."""
    try:
        import pandas
    except ImportError as error:
        raise MissingPackage("tables need pandas: pip install 'nearkin[pandas]'; `to_dict()` does without") from error
    found = list(rows)
    names = dict.fromkeys([*columns, *(name for row in found for name in row)])
    return pandas.DataFrame(found, columns=list(names))


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, slots=True)
class Hit(Record):
    """One answer to a search. `score`: larger is nearer (cosine similarity, or a negated distance)."""

    item: int
    key: str
    score: float
    uri: str | None
    metadata: Json
    clusters: tuple[int, ...] = ()
    """Public ids of the clusters it lies in, coarse to fine."""
    text: str | None = None
    """What was said of it, or its words where it is a text."""


@dataclass(frozen=True, slots=True, repr=False)
class Hits(Record, Table, Sequence[Hit]):
    """The answer to a search: hits, best first. `as_of`: the change number of the catalogue that it belongs to.
    `groups`: where asked for, the clusters that they lie in."""

    hits: tuple[Hit, ...]
    as_of: int
    groups: tuple[Group, ...] = ()

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @overload
    def __getitem__(self, place: int) -> Hit: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, place: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[place]

    def __repr__(self) -> str:
        best = "".join(f"\n  {hit.score:+.4f}  {hit.item:>7}  {hit.uri or hit.key}" for hit in self.hits[:5])
        more = f"\n  ... {len(self) - 5} more" if len(self) > 5 else ""
        return f"<{len(self)} hits as of change {self.as_of}{best}{more}>"


@dataclass(frozen=True, slots=True)
class Item(Record):
    """A picture, or a ready-made vector. Times are ISO 8601; `width` and `height` as a person sees the picture."""

    id: int
    key: str
    hash: str | None
    uri: str | None
    uris: tuple[str, ...]
    width: int | None
    height: int | None
    format: str | None
    bytes: int | None
    text: str | None
    taken_at: str | None
    added_at: str
    metadata: Json
    missing: bool
    """All its locations have vanished."""

    @classmethod
    def of(cls, row: ItemRow) -> Item:
        """The record of a row."""
        values = {one.name: getattr(row, one.name) for one in dataclasses.fields(row)}
        values["hash"] = row.hash.hex() if row.hash else None
        values["added_at"] = moment(row.added_at)
        return cls(uri=row.uris[0] if row.uris else None, **values)


@dataclass(frozen=True, slots=True)
class Page(Record):
    """Some items in order of id. `cursor`: give it to the next call; None: these were the last."""

    items: tuple[Item, ...]
    cursor: int | None
    as_of: int

    def to_pandas(self) -> Any:
        """A pandas.DataFrame with a row an item. Raises MissingPackage."""
        return frame(self.items)


@dataclass(frozen=True, slots=True)
class AddReport(Record):
    """What became of what was to be added.

    `added`: new items. `known`: already there (another path to the same bytes counts here). `replaced`: items that got
    another picture or vector under their key. `failed`: could not be read, `failures` say why; those among them that
    had failed before, unchanged since, were not tried again (`failed_before`). `change`: the newest change number.
    """

    added: int
    known: int
    failed: int
    failures: tuple[Failure, ...]
    change: int
    replaced: int = 0
    failed_before: int = 0
    items: tuple[int, ...] = field(default=(), repr=False)
    """Ids of what was given, in its order, where pictures or vectors were given one by one; else of the new items."""
    seconds: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class SyncReport(Record):
    """An AddReport, and how many places of items have vanished or come back."""

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
    """One embedder's vectors over the collection. `current`: the one that is searched unless another is named."""

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
    """On disk: the catalogue and all derived files."""
    settings: Json
    repairs: tuple[str, ...]
    """What was rebuilt when it was opened, and why."""
    words: bool = False
    """Whether the embedder reads words, so that `text=` can be asked."""


@dataclass(frozen=True, slots=True)
class Report(Record):
    """What `verify` found. `ok`: nothing is wrong (any more)."""

    ok: bool
    problems: tuple[str, ...]
    repaired: tuple[str, ...]
    checked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Job(Record):
    """Work in the background. `state`: queued, running, done, failed, cancelled. `done` of `total`: how far it is.
    `report`: what came out; `error`: why nothing did. `tries`: how often it was begun. Times are seconds since 1970."""

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


def tallied(tally: Tally) -> Json:
    """What every report says of a run."""
    return {
        "added": len(tally.added),
        "known": tally.known,
        "failed": len(tally.failures),
        "failures": tuple(tally.failures),
        "failed_before": tally.failed_before,
    }


def gathered(
    snapshot: Snapshot, space: Space | None, folder: Path, config: Config, repairs: Sequence[str], words: bool
) -> Info:
    """Everything that `info` tells, as of one moment."""
    counts, vectors = snapshot.counts(), snapshot.vector_counts()
    return Info(
        path=str(folder),
        items=counts["items"],
        vectors=vectors.get(space.id, 0) if space else 0,
        dimension=space.dimension if space else None,
        space=space.name if space else None,
        embedder=space.embedder if space else None,
        metric=space.metric if space else None,
        index=config.index,
        change=snapshot.number,
        locations=counts["locations"],
        missing=counts["missing"],
        failures=counts["failures"],
        bytes=size(folder),
        settings=config.index_settings,
        repairs=tuple(repairs),
        words=words,
    )


def size(folder: Path) -> int:
    """Bytes of all files below it; a writer may be replacing some of them meanwhile."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(place, name)).st_size
    return total
