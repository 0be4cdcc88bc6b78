"""From pictures to the catalogue: skip what is known, read, decode, embed, record.

Workers (threads, since decoding and the model's forward pass both run outside the interpreter's lock) each take a batch
from files to vectors, so that every core is busy whatever is slow. The calling thread skips what is known, and records
finished batches in their order, one transaction each. What is not recorded when a run ends is read again by the next.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from PIL.Image import Image

from indexers.arrays import take_chunks
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.file_metadata import has_changed
from indexers.catalogue.snapshot import Snapshot
from indexers.catalogue.transaction import REPLACED, Transaction
from indexers.embedders.base import Embedder
from indexers.errors import BadVector, PictureError, UnreadablePicture
from indexers.matching import sketch
from indexers.matching.quality import measure_quality
from indexers.moves import find_renamed, find_vanished
from indexers.pictures import images, remote
from indexers.pictures.isolation import DecoderPool
from indexers.pictures.sidecars import read_sidecar
from indexers.pictures.turns import take_turns
from indexers.progress import Progress, Tally
from indexers.types import (
    Arrival,
    Failure,
    FoundFile,
    Json,
    KnownLocation,
    Limits,
    ScanFailure,
    Space,
    StoredArrival,
    UnembeddedItem,
    Vectors,
)
from indexers.vectors.base import check_vectors

MIN_BATCH = 4
"""Pictures in a batch, at least: fewer make a network slow."""
LOOKUP_SIZE = 1000
"""Files whose state is looked up in one query."""


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to be added: a file, content in memory, or an item that has no vector in the space."""

    file: FoundFile | None = None
    content: bytes | Image | None = None
    unembedded: UnembeddedItem | None = None
    key: str | None = None
    text: str | None = None
    metadata: Json = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name that a failure is reported under."""
        if self.unembedded:
            return self.unembedded.uri or self.unembedded.key
        return self.file.uri if self.file else self.key or "a picture without a key"


@dataclass(frozen=True, slots=True)
class Batch:
    """The arrivals that a worker made of some sources, in the same order, and those that failed.

    vanished: URIs at which their content lay before.
    """

    sources: list[Source]
    arrivals: list[Arrival]
    failures: list[tuple[Failure, FoundFile | None]]
    vanished: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One run over some sources into one space.

    batch_size: pictures in a batch.
    retry_failed: read files again that failed before and have not changed since.
    check: read the content of known files again, whatever their size and time say.
    on_recorded: called after each transaction.
    progress: called after each batch.
    allow_web: pictures may be fetched from the web.
    decoders: processes that decode pictures, instead of this one.
    roots: folders in which files have to lie once all links are followed; None allows everything.
    keep_replaced: leave it to the caller to drop the items that no file shows any more.
    """

    catalogue: Catalogue
    space: Space
    embedder: Embedder
    limits: Limits = field(default_factory=Limits)
    workers: int = 1
    batch_size: int = 16
    retry_failed: bool = False
    check: bool = False
    on_recorded: Callable[[], object] = lambda: None
    progress: Callable[[Progress], object] = lambda _: None
    allow_web: bool = False
    decoders: DecoderPool | None = None
    roots: Sequence[Path] | None = None
    keep_replaced: bool = False
    tally: Tally = field(default_factory=Tally)
    _is_filling: bool = False
    _started: float = field(default_factory=time.perf_counter)

    def fill(self, items: Sequence[UnembeddedItem]) -> Tally:
        """Embed items that have no vector in the space yet, from the locations of their pictures."""
        self._is_filling = True
        unreadable = [item for item in items if item.uri is None or item.hash is None]
        self.tally.failures += [Failure(item.key, "it has no location to be read from", "fill") for item in unreadable]
        return self.add([Source(unembedded=item) for item in items if item.uri is not None and item.hash is not None])

    def add_files(self, files: Iterable[FoundFile | ScanFailure], metadata: Json) -> Tally:
        """Add files. `metadata` goes to each, also to those that are known."""
        unknown = [file for chunk in take_chunks(files, LOOKUP_SIZE) for file in self._skip_known(chunk, metadata)]
        with self.catalogue.snapshot() as snapshot:
            renamed = find_renamed(snapshot, unknown)
        if renamed:
            with self.catalogue.transaction() as writing:
                writing.mark_missing(renamed)
        return self.add([Source(file, metadata=metadata) for file in unknown])

    def _skip_known(self, scanned: Sequence[FoundFile | ScanFailure], metadata: Json) -> list[FoundFile]:
        """Return the files that have to be read: new ones, and those whose size or time has changed."""
        files = [entry for entry in scanned if isinstance(entry, FoundFile)]
        self.tally.failures += [
            Failure(entry.uri, entry.reason, "scan") for entry in scanned if isinstance(entry, ScanFailure)
        ]
        uris = [file.uri for file in files]
        with self.catalogue.snapshot() as snapshot:
            locations, failures = snapshot.known_locations(uris, self.space.id), snapshot.earlier_failures(uris)
        unknown: list[FoundFile] = []
        known: list[tuple[FoundFile, KnownLocation]] = []
        with self.catalogue.snapshot() as snapshot:
            ids = [item_id for location in locations.values() for item_id in location.item_ids]
            sidecars = snapshot.files.sidecars(ids)
        for file in files:
            stat, location, failure = (file.size, file.mtime_ns), locations.get(file.uri), failures.get(file.uri)
            if location and not self.check and location.shows(file) and location.has_vector:
                self.tally.known += 1
                self.tally.returned += location.is_missing
                changed = any(has_changed(file, sidecars.get(item_id, {})) for item_id in location.item_ids)
                if location.is_missing or metadata or changed:
                    known.append((file, location))
            elif failure and failure[:2] == stat and not self.retry_failed:
                self.tally.failed_before += 1
                self.tally.failures.append(Failure(file.uri, failure[2]))
            else:
                unknown.append(file)
                self.tally.returned += bool(location and location.is_missing)
        self._update_known(known, metadata)
        return unknown

    def _update_known(self, known: Sequence[tuple[FoundFile, KnownLocation]], metadata: Json) -> None:
        if not known:
            return
        said = [(file, location, self._read_sidecar(file)) for file, location in known]
        with self.catalogue.transaction() as writing:
            writing.mark_present([file for file, location in known if location.is_missing])
            writing.note_sidecars(
                [(item_id, file, values) for file, location, values in said for item_id in location.item_ids]
            )
            if metadata:
                for item_id in dict.fromkeys(item_id for _, location in known for item_id in location.item_ids):
                    writing.update(item_id, metadata)

    def add(self, sources: Sequence[Source]) -> Tally:
        """Read, embed and record sources. After an interruption, what is finished is still recorded."""
        self.progress(self._build_progress(len(sources), 0))
        with ThreadPoolExecutor(self.workers, "nearkin", self.embedder.limit_threads, (1,)) as pool:
            running: deque[Future[Batch]] = deque()
            batches = _split_batches(sources, self.batch_size, 2 * self.workers)
            done = 0
            try:
                while True:
                    for batch in islice(batches, 2 * self.workers - len(running)):
                        running.append(pool.submit(self._process, batch))
                    if not running:
                        break
                    running[0].result()  # before it is taken off: an interruption here loses nothing
                    done += self._record(running.popleft().result())
                    self.progress(self._build_progress(len(sources), done))
            except BaseException:
                for future in running:
                    future.cancel()
                for future in running:
                    if future.done() and not future.cancelled() and future.exception() is None:
                        self._record(future.result())
                raise
        if not self.keep_replaced:
            self._drop_replaced_items()
        return self.tally

    def _drop_replaced_items(self) -> None:
        """Delete the items that no file shows any more, now that all files are with their new items."""
        with self.catalogue.snapshot() as snapshot:
            replaced = snapshot.setting(REPLACED)
        if replaced:
            with self.catalogue.transaction() as writing:
                writing.drop_replaced_items()
            self.on_recorded()

    def _build_progress(self, total: int, done: int) -> Progress:
        tally = self.tally
        seconds = time.perf_counter() - self._started
        return Progress(total, done, len(tally.added), tally.known, len(tally.failures), seconds)

    # ---- in a worker

    def _read(self, uri: str) -> bytes:
        return remote.read_uri(uri, self.limits, self.allow_web, self.roots)

    def _read_sidecar(self, file: FoundFile | None) -> Json | None:
        return read_sidecar(file.sidecar, self.roots) if file and file.sidecar else None

    def _decode(self, content: bytes) -> images.Picture:
        size = max(self.embedder.input_size, sketch.EDGE)
        return self.decoders.decode(content, size) if self.decoders else images.decode(content, size, self.limits)

    def _process(self, sources: Sequence[Source], skip_embedded: bool = True) -> Batch:
        """Read sources, and embed those whose items have no vector yet, or all if not `skip_embedded`."""
        batch = Batch([], [], [])
        prepared: list[tuple[int, Any]] = []
        with self.catalogue.snapshot() as snapshot:
            for source in sources:
                try:
                    arrival, prepared_picture = self._prepare_source(source, snapshot if skip_embedded else None)
                except PictureError as error:
                    batch.failures.append((Failure(source.name, str(error)), source.file))
                    continue
                if prepared_picture is not None:
                    prepared.append((len(batch.arrivals), prepared_picture))
                batch.sources.append(source)
                batch.arrivals.append(arrival)
            batch.vanished.extend(find_vanished(snapshot, batch.arrivals))
        if prepared:
            vectors = self._embed_batch([picture for _, picture in prepared])
            for (place, _), vector in zip(prepared, vectors, strict=True):
                batch.arrivals[place] = replace(batch.arrivals[place], vector=vector)
        return batch

    def _embed_batch(self, prepared: list[Any]) -> Vectors:
        """Embed prepared pictures. Vectors that can't be used (NaN on a faulty device, say) end the run before
        anything is written."""
        try:
            return check_vectors(self.embedder.forward(prepared), self.space.dimension, self.space.metric)
        except BadVector as error:
            raise BadVector(f"the embedder {self.embedder.name!r} returned unusable vectors: {error}") from error

    def _prepare_source(self, source: Source, snapshot: Snapshot | None) -> tuple[Arrival, Any | None]:
        """Return what `_read_source` does, the picture prepared: in full size it lives here only."""
        with take_turns():
            arrival, picture = self._read_source(source, snapshot)
            prepared = None if picture is None else self.embedder.prepare(picture)
            del picture  # before others take their turn
        return arrival, prepared

    def _read_item(self, item: UnembeddedItem) -> tuple[Arrival, Image]:
        """Read the picture of an item from its location."""
        content = self._read(item.uri or "")
        if images.hash_content(content) != item.hash:
            raise UnreadablePicture("the file has changed since it was added; add it again")
        return Arrival(item_id=item.item_id, hash=item.hash), self._decode(content).image

    def _read_source(self, source: Source, snapshot: Snapshot | None) -> tuple[Arrival, Image | None]:
        """Return what is known of a source, and its picture unless its item has a vector in the snapshot already."""
        if source.unembedded:
            return self._read_item(source.unembedded)
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
            sidecar=self._read_sidecar(source.file),
        )
        key = source.key or digest.hex()
        if snapshot and snapshot.embedded_hashes([key], self.space.id).get(key) == digest:
            if self.check and not isinstance(content, Image):  # what the file says may not have been read before
                arrival = replace(arrival, facts=self._decode(content).facts, bytes=len(content))
            return arrival, None
        if isinstance(content, Image):
            arrival = replace(arrival, facts=images.read_facts(content, upright.size))
        else:
            decoded = self._decode(content)
            upright, arrival = decoded.image, replace(arrival, facts=decoded.facts, bytes=len(content))
        sketched = sketch.sketch_picture(upright, quickly=True)
        return replace(arrival, sketch=sketched, quality=measure_quality(upright)), upright

    # ---- in the calling thread

    def _record(self, batch: Batch) -> int:
        """Write a batch to the catalogue, and return the number of its sources."""

        def put(writing: Transaction) -> tuple[Batch, list[StoredArrival]]:
            writing.mark_missing(batch.vanished)
            current = self._process_outdated(batch, writing)
            if self._is_filling:  # (failures in the catalogue are about pictures that are not in the collection)
                return current, writing.fill_vectors(current.arrivals, self.space.id)
            stored = writing.put(current.arrivals, self.space.id, more_follow=True)
            writing.record_failures(current.failures)
            return current, stored

        is_known = bool(batch.vanished) or self._is_filling or any(row.vector is None for row in batch.arrivals)
        batch, stored = self.catalogue.write(put, alone=is_known)
        self._count(batch, stored)
        self.on_recorded()
        return len(batch.arrivals) + len(batch.failures)

    def _process_outdated(self, batch: Batch, writing: Transaction) -> Batch:
        """Process sources again that were skipped because their items had a vector, and have none any more.

        Another process, or this very run, may have removed or replaced an item since a worker looked: it would be
        stored without its vector.
        """
        keyed = [(arrival.key or (arrival.hash or b"").hex(), arrival.hash) for arrival in batch.arrivals]
        skipped = [place for place, arrival in enumerate(batch.arrivals) if arrival.vector is None]
        stored = writing.embedded_hashes([keyed[place][0] for place in skipped], self.space.id)
        pairs = zip(keyed, batch.arrivals, strict=True)
        arriving = {key: arrival.hash for (key, _), arrival in pairs if arrival.vector is not None}
        outdated = {
            place
            for place in skipped
            if not stored.get(keyed[place][0]) == arriving.get(*keyed[place]) == keyed[place][1]
        }
        if not outdated:
            return batch
        again = self._process([batch.sources[place] for place in outdated], skip_embedded=False)
        by_source = dict(zip(map(id, again.sources), again.arrivals, strict=True))
        merged = Batch([], [], [*batch.failures, *again.failures])
        for place, source in enumerate(batch.sources):
            arrival = by_source.get(id(source)) if place in outdated else batch.arrivals[place]
            if arrival is not None:
                merged.sources.append(source)
                merged.arrivals.append(arrival)
        return merged

    def _count(self, batch: Batch, stored: Sequence[StoredArrival]) -> None:
        tally = self.tally
        tally.failures += [failure for failure, _ in batch.failures]
        for arrival, (item_id, is_new) in zip(batch.arrivals, stored, strict=True):
            tally.item_ids.append(item_id)
            if is_new:
                tally.added.append(item_id)
            elif arrival.key is not None and arrival.vector is not None:
                tally.replaced += 1
            else:
                tally.known += 1


def _split_batches(sources: Sequence[Source], size: int, shares: int) -> Iterator[Sequence[Source]]:
    """Yield batches of `size`, smaller towards the end, so that no worker is left alone with a whole one."""
    start = 0
    while start < len(sources):
        step = max(MIN_BATCH, min(size, (len(sources) - start) // shares))
        yield sources[start : start + step]
        start += step
