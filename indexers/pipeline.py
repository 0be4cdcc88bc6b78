"""From pictures to the catalogue: skip what is known, read, decode, embed, record.

Workers (threads: decoding and the model's forward pass both run outside the interpreter's lock) each take a batch from
file to vectors, so that every core is busy whatever is slow. The calling thread sorts out what is known, and records
finished batches in their order, one transaction each. What is not recorded when a run ends is simply found again the
next time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from PIL.Image import Image

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import REPLACED, Transaction
from indexers.embedders.base import Embedder
from indexers.errors import BadVector, PictureError, UnreadablePicture
from indexers.pictures import images, remote
from indexers.pictures.isolation import DecoderPool
from indexers.types import (
    Arrival,
    Failure,
    FoundFile,
    Json,
    KnownLocation,
    Limits,
    PictureFacts,
    ScanFailure,
    Space,
    StoredArrival,
    UnembeddedItem,
    Vectors,
)
from indexers.vectors.base import check_vectors

SMALLEST = 4
"""Pictures in a batch, at least: fewer make a network slow."""
SORT = 1000
"""Files whose state is looked up in one query."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to be added: a file, content given directly, or an item that lacks a vector."""

    file: FoundFile | None = None
    content: bytes | Image | None = None
    lacking: UnembeddedItem | None = None
    key: str | None = None
    text: str | None = None
    metadata: Json = field(default_factory=dict)

    @property
    def name(self) -> str:
        if self.lacking:
            return self.lacking.uri or self.lacking.key
        return self.file.uri if self.file else self.key or "a picture without a key"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. `rate`: pictures a second; `left`: seconds until its end, as far as it can be told."""

    total: int
    done: int
    added: int
    known: int
    failed: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        return (self.total - self.done) / self.rate if self.rate else None


@dataclass(slots=True)
class Tally:
    """What a run has come to so far."""

    known: int = 0
    replaced: int = 0
    returned: int = 0
    failed_before: int = 0
    added: list[int] = field(default_factory=list)
    given: list[int] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a worker made of some sources, in their order."""

    sources: list[Source]
    """Of the arrivals."""
    arrivals: list[Arrival]
    failures: list[tuple[Failure, FoundFile | None]]


@dataclass(slots=True)
class Run:
    """One run over some sources into one space.

    `recorded` is called after each transaction; `progress` after each batch. `size` pictures make a batch.
    """

    catalogue: Catalogue
    space: Space
    embedder: Embedder
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    size: int = 16
    retry_failed: bool = False
    recorded: Callable[[], object] = lambda: None
    progress: Callable[[Progress], object] = lambda _: None
    web: bool = False
    """Pictures may be fetched from the web."""
    isolated: DecoderPool | None = None
    """Pictures are decoded by its processes, instead of in this one."""
    filling: bool = False
    tally: Tally = field(default_factory=Tally)
    _started: float = field(default_factory=time.perf_counter)

    def fill(self, lacking: Sequence[UnembeddedItem]) -> Tally:
        """Embed items that are there and have no vector in the space yet, from the places they were found at."""
        self.filling = True
        homeless = [one for one in lacking if one.uri is None or one.hash is None]
        self.tally.failures += [Failure(one.key, "it has no place to be read from", "fill") for one in homeless]
        return self.add([Source(lacking=one) for one in lacking if one.uri is not None and one.hash is not None])

    def add_files(self, found: Iterable[FoundFile | ScanFailure], metadata: Json) -> Tally:
        """Add files; `metadata` goes to each, also to those that are known."""
        todo = [
            Source(file, metadata=metadata) for part in _parts(found, SORT) for file in self._unknown(part, metadata)
        ]
        return self.add(todo)

    def _unknown(self, found: Sequence[FoundFile | ScanFailure], metadata: Json) -> list[FoundFile]:
        """Those that have to be read: not there yet, or of another size or time than when they were read."""
        files = [one for one in found if isinstance(one, FoundFile)]
        self.tally.failures += [Failure(one.uri, one.reason, "scan") for one in found if isinstance(one, ScanFailure)]
        uris = [file.uri for file in files]
        with self.catalogue.snapshot() as snapshot:
            known, failed = snapshot.known_locations(uris, self.space.id), snapshot.earlier_failures(uris)
        unknown: list[FoundFile] = []
        seen: list[tuple[FoundFile, KnownLocation]] = []
        for file in files:
            stat, before, broken = (file.size, file.mtime_ns), known.get(file.uri), failed.get(file.uri)
            if before and (before.size, before.mtime_ns) == stat and before.has_vector:
                self.tally.known += 1
                self.tally.returned += before.is_missing
                if before.is_missing or metadata:
                    seen.append((file, before))
            elif broken and broken[:2] == stat and not self.retry_failed:
                self.tally.failed_before += 1
                self.tally.failures.append(Failure(file.uri, broken[2]))
            else:
                unknown.append(file)
                self.tally.returned += bool(before and before.is_missing)
        self._note(seen, metadata)
        return unknown

    def _note(self, seen: Sequence[tuple[FoundFile, KnownLocation]], metadata: Json) -> None:
        if not seen:
            return
        with self.catalogue.transaction() as writing:
            writing.mark_present([file for file, known in seen if known.is_missing])
            if metadata:
                for item in dict.fromkeys(known.item_id for _, known in seen):
                    writing.update(item, metadata)

    def add(self, sources: Sequence[Source]) -> Tally:
        """Read, embed and record. What was finished before an interruption is recorded."""
        self.progress(self._state(len(sources), 0))
        with ThreadPoolExecutor(self.workers, "nearkin", self.embedder.limit_threads, (1,)) as pool:
            running: deque[Future[Batch]] = deque()
            batches = _portions(sources, self.size, 2 * self.workers)
            done = 0
            try:
                while True:
                    for part in islice(batches, 2 * self.workers - len(running)):
                        running.append(pool.submit(self._work, part))
                    if not running:
                        break
                    running[0].result()  # before it is taken off: an interruption here loses nothing
                    done += self._record(running.popleft().result())
                    self.progress(self._state(len(sources), done))
            except BaseException:
                for future in running:
                    future.cancel()
                for future in running:
                    if future.done() and not future.cancelled() and future.exception() is None:
                        self._record(future.result())
                raise
        self._leave()
        return self.tally

    def _leave(self) -> None:
        """All files are in their new places: those items can go that nothing shows any more."""
        with self.catalogue.snapshot() as snapshot:
            pending = snapshot.setting(REPLACED)
        if pending:
            with self.catalogue.transaction() as writing:
                writing.drop_replaced_items()
            self.recorded()

    def _state(self, total: int, done: int) -> Progress:
        tally = self.tally
        seconds = time.perf_counter() - self._started
        return Progress(total, done, len(tally.added), tally.known, len(tally.failures), seconds)

    # ---- in a worker

    def _read(self, place: str) -> bytes:
        return remote.read_uri(place, self.limits, self.web)

    def decode(self, content: bytes, size: int) -> images.Picture:
        return self.isolated.decode(content, size) if self.isolated else images.decode(content, size, self.limits)

    def _work(self, sources: Sequence[Source], anew: bool = False) -> Batch:
        """Read and embed; `anew`: also what is known."""
        batch = Batch([], [], [])
        waiting: list[tuple[int, Any]] = []
        with self.catalogue.snapshot() as snapshot:
            for source in sources:
                try:
                    arrival, picture = self._look(source, None if anew else snapshot)
                except PictureError as error:
                    batch.failures.append((Failure(source.name, str(error)), source.file))
                    continue
                if picture is not None:
                    waiting.append((len(batch.arrivals), self.embedder.prepare(picture)))
                batch.sources.append(source)
                batch.arrivals.append(arrival)
        if waiting:
            vectors = self._embedded([prepared for _, prepared in waiting])
            for (place, _), vector in zip(waiting, vectors, strict=True):
                batch.arrivals[place] = replace(batch.arrivals[place], vector=vector)
        return batch

    def _embedded(self, prepared: list[Any]) -> Vectors:
        """A model that gives no usable vector (NaN on a faulty device, say) ends the run before anything is written."""
        try:
            return check_vectors(self.embedder.forward(prepared), self.space.dimension, self.space.metric)
        except BadVector as error:
            raise BadVector(f"the embedder {self.embedder.name!r} gave what can't be kept: {error}") from error

    def _again(self, lacking: UnembeddedItem) -> tuple[Arrival, Image]:
        """The picture of an item, from the place that it was found at."""
        content = self._read(lacking.uri or "")
        if images.hash_content(content) != lacking.hash:
            raise UnreadablePicture("the file has changed since it was added; add it again")
        picture = self.decode(content, self.embedder.input_size).image
        return Arrival(item_id=lacking.item_id, hash=lacking.hash), picture

    def _look(self, source: Source, snapshot: Snapshot | None) -> tuple[Arrival, Image | None]:
        """What is known without decoding; and the picture, unless its item has its vector already."""
        if source.lacking:
            return self._again(source.lacking)
        content = source.content
        if isinstance(content, Image):
            upright = images.as_picture(content, limits=self.limits)
            digest = images.hash_content(repr(upright.size).encode() + upright.tobytes())
        else:
            content = self._read(source.file.path) if source.file else content or b""
            digest = images.hash_content(content)
        arrival = Arrival(
            source.key,
            digest,
            uri=source.file.uri if source.file else None,
            file=source.file,
            text=source.text,
            metadata=source.metadata,
        )
        key = source.key or digest.hex()
        if snapshot and snapshot.embedded_hashes([key], self.space.id).get(key) == digest:
            return arrival, None
        if isinstance(content, Image):
            return replace(arrival, facts=PictureFacts(*upright.size, content.format or "image")), upright
        decoded = self.decode(content, self.embedder.input_size)
        camera: Json = {"camera": decoded.facts.camera} if decoded.facts.camera else {}
        said = camera | source.metadata  # what the caller says wins
        return replace(arrival, facts=decoded.facts, bytes=len(content), metadata=said), decoded.image

    # ---- in the calling thread

    def _record(self, batch: Batch) -> int:
        with self.catalogue.transaction() as writing:
            batch = self._renewed(batch, writing)
            if self.filling:  # (the ledger of failures is about what is not in the collection)
                kept = writing.fill_vectors(batch.arrivals, self.space.id)
            else:
                kept = writing.put(batch.arrivals, self.space.id, more_follow=True)
                writing.record_failures(batch.failures)
            self._count(batch, kept, writing)
        self.recorded()
        return len(batch.arrivals) + len(batch.failures)

    def _renewed(self, batch: Batch, writing: Transaction) -> Batch:
        """What was known when a worker looked may have been removed or replaced since, by others or by this very run:
        it would be kept without its vector. It is read and embedded after all."""
        keyed = [(one.key or (one.hash or b"").hex(), one.hash) for one in batch.arrivals]
        known = [place for place, one in enumerate(batch.arrivals) if one.vector is None]
        now = writing.embedded_hashes([keyed[place][0] for place in known], self.space.id)
        brought = {key: one.hash for (key, _), one in zip(keyed, batch.arrivals, strict=True) if one.vector is not None}
        late = {
            place for place in known if not now.get(keyed[place][0]) == brought.get(*keyed[place]) == keyed[place][1]
        }
        if not late:
            return batch
        again = self._work([batch.sources[place] for place in late], anew=True)
        renewed = dict(zip(map(id, again.sources), again.arrivals, strict=True))
        merged = Batch([], [], [*batch.failures, *again.failures])
        for place, source in enumerate(batch.sources):
            arrival = renewed.get(id(source)) if place in late else batch.arrivals[place]
            if arrival is not None:
                merged.sources.append(source)
                merged.arrivals.append(arrival)
        return merged

    def _count(self, batch: Batch, kept: Sequence[StoredArrival], writing: Transaction) -> None:
        tally = self.tally
        tally.failures += [failure for failure, _ in batch.failures]
        for arrival, one in zip(batch.arrivals, kept, strict=True):
            tally.given.append(one.item_id)
            if one.is_new:
                tally.added.append(one.item_id)
            elif arrival.key is not None and arrival.vector is not None:
                tally.replaced += 1
            else:
                tally.known += 1


def _portions(sources: Sequence[Source], size: int, shares: int) -> Iterator[Sequence[Source]]:
    """Batches of `size`, smaller towards the end, so that no worker is left alone with a whole one."""
    start = 0
    while start < len(sources):
        step = max(SMALLEST, min(size, (len(sources) - start) // shares))
        yield sources[start : start + step]
        start += step


def _parts(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(values)
    while part := list(islice(iterator, size)):
        yield part
