"""The collection: what a user holds. It composes the rooms; what happens is written there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike
from PIL.Image import Image

from indexers import attributes, audit
from indexers.catalogue import Catalogue
from indexers.embedders.base import Embedder
from indexers.errors import BadQuery, CollectionNotFound, UsageError
from indexers.images import to_path
from indexers.pipeline import Progress, Run
from indexers.types import Failure, Neighbours, Space
from retrieval import config as settings_of
from retrieval import search as searching
from retrieval import sources, spaces, transfer
from retrieval.filters import parse
from retrieval.results import AddReport, Hits, Info, Item, Page, Report, SyncReport
from retrieval.search import Question, View

Name = int | str
NAMES = (int, str, np.integer)  # one item; anything else stands for several
Picture = str | PathLike[str] | bytes | Image
Watch = Callable[[Progress], object]


class Collection:
    """Pictures, their vectors and all that follows from them, in one folder.

    Open it with `Collection.open`; use it as a context manager or `close` it: that saves what makes the next opening
    fast (nothing is lost without it). A collection may be used from several threads at once, and opened by several
    processes: any number of them read, one at a time writes.
    """

    def __init__(self, catalogue: Catalogue, config: settings_of.Config, embedder: str | Embedder | None) -> None:
        """Not for users: see `open`."""
        self._catalogue, self._config = catalogue, config
        self._embedding = spaces.Embedding(catalogue, embedder, config)
        self._view: View | None = None
        self._saved = time.monotonic()
        self._wrote = False

    @classmethod
    def open(
        cls, path: str | PathLike[str], *, create: bool = False, embedder: str | Embedder | None = None, **settings: Any
    ) -> Self:
        """Open the collection in the folder `path`; with `create`, make it if there is none.

        `embedder`: what turns pictures into vectors, by name (`lite0` if none is given) or an instance of your own. It
        is chosen once: opening with another one is an error. `settings`: see `retrieval.config.Config`; they go over
        the environment (`NEARKIN_EF=200`) and the file `nearkin.toml` in the folder.

        What is missing in derived files is replayed, what is broken is rebuilt; `info().repairs` says so.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem, BadSetting,
        UnknownPlugin.
        """
        folder = Path(path).expanduser().resolve()
        config = settings_of.load(folder, settings)
        spaces.check_name(embedder)
        try:
            catalogue = Catalogue.open(folder, config.wait)
        except CollectionNotFound:
            if not create:
                raise
            catalogue = Catalogue.create(folder, spaces.remembered(embedder), config.wait)
        try:
            collection = cls(catalogue, config, embedder)
            collection._look()
        except BaseException:
            catalogue.close()
            raise
        return collection

    def close(self) -> None:
        """Save derived files that are behind, and let go of everything."""
        if self._view and (self._wrote or self._view.followers.repairs):
            self._view.followers.save()
        self._catalogue.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        space = self._view.space.name if self._view else "empty"
        return f"<Collection {str(self.path)!r} ({space})>"

    @property
    def path(self) -> Path:
        return self._catalogue.folder

    # ---- putting in

    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        keys: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
        retry_failed: bool = False,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> AddReport:
        """Add pictures: files, folders (with all below them), globs; PIL images and bytes, best with `keys`.

        `metadata`: one object for all, or one for each picture. `keys`: one for each; a known key replaces its picture.
        What is there already costs next to nothing and has its metadata merged, later keys win. What can't be read is
        entered as a failure, and tried again when the file changes or with `retry_failed`. `catch_up=False` leaves
        followers that searching does not need to a later `catch_up()`.

        Raises WriterBusy, WriteFailed, BadMetadata, Unavailable (weights or packages), UsageError.
        """
        started = time.perf_counter()
        given = sources.sort(pictures, metadata, keys, texts)
        run = self._run(retry_failed, progress)
        try:
            tally = run.add_files(given.found, given.metadata) if given.found is not None else run.add(given.sources)
        finally:
            self._settle(catch_up)
        return AddReport(
            added=len(tally.added),
            known=tally.known,
            replaced=tally.replaced,
            failed=len(tally.failures),
            failures=tuple(tally.failures),
            failed_before=tally.failed_before,
            change=self._change(),
            items=tuple(tally.given if given.found is None else tally.added),
            seconds=time.perf_counter() - started,
        )

    def add_vectors(
        self,
        vectors: ArrayLike,
        *,
        keys: Sequence[str] | None = None,
        uris: Sequence[str | None] | None = None,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        texts: Sequence[str] | None = None,
        catch_up: bool = True,
    ) -> AddReport:
        """Add ready-made vectors, float32 (n, dimension), in one transaction; known keys are replaced.

        Raises BadVector (NaN, infinite, zero, of another dimension) before anything is written.
        """
        started = time.perf_counter()
        self._look()
        view = self._view or self._start(self._embedding.space(self._catalogue, vectors))
        arrivals = sources.vectors(vectors, view.space, keys, uris, metadata, texts)
        with self._catalogue.transaction() as writing:
            kept = [one for part in sources.parts(arrivals) for one in writing.put(part, view.space.id)]
        self._settle(catch_up)
        new = sum(one.new for one in kept)
        items = tuple(one.item for one in kept)
        seconds = time.perf_counter() - started
        return AddReport(new, 0, 0, (), self._change(), replaced=len(kept) - new, items=items, seconds=seconds)

    def sync(
        self,
        folders: Picture | Iterable[Picture],
        *,
        metadata: Mapping[str, Any] | None = None,
        retry_failed: bool = False,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> SyncReport:
        """Add what is new below these folders, and mark the places that have vanished from them.

        Nothing is removed: an item without a place left stays, with `missing` set, until it comes back or
        `remove(where={"missing": True})`.
        """
        started = time.perf_counter()
        scan = sources.Scan(folders)
        run = self._run(retry_failed, progress)
        try:
            tally = run.add_files(scan, attributes.check(metadata or {}))
            missing = self._mark_missing(scan)
        finally:
            self._settle(catch_up)
        return SyncReport(
            added=len(tally.added),
            known=tally.known,
            failed=len(tally.failures),
            failures=tuple(tally.failures),
            failed_before=tally.failed_before,
            change=self._change(),
            missing=missing,
            returned=tally.returned,
            seconds=time.perf_counter() - started,
        )

    def _mark_missing(self, scan: sources.Scan) -> int:
        with self._catalogue.transaction() as writing:
            gone = scan.vanished(writing.places_under(scan.prefixes))
            writing.mark_missing(gone)
        return len(gone)

    def update(
        self, item: Name, metadata: Mapping[str, Any] | None = None, *, text: str | None = None, replace: bool = False
    ) -> Item:
        """Merge metadata into an item's (`replace`: put it in its place), and give it a text. Raises ItemNotFound."""
        checked = attributes.check(metadata or {})
        if text is not None and not attributes.is_text(text):
            raise UsageError(f"{text!r} is not text that UTF-8 can carry")
        with self._catalogue.transaction() as writing:
            one = writing.resolve([item])[0]
            writing.update(one, checked, replace=replace, text=text)
        self._settle(catch_up=True)
        return self.get(one)

    def remove(self, items: Name | Iterable[Name] | None = None, *, where: Mapping[str, Any] | None = None) -> int:
        """Remove items by id or key, or all that a filter holds for (with both: those of these). How many it were.

        The files themselves are never touched. Raises ItemNotFound before anything is removed.
        """
        if items is None and where is None:
            raise UsageError("remove takes items, where= or both; to remove everything: where={}")
        names = None if items is None else [items] if isinstance(items, NAMES) else list(items)
        with self._catalogue.transaction() as writing:
            chosen = writing.ids(parse(where)).tolist() if where is not None else None
            named = writing.resolve(names) if names is not None else None
            wanted = named if chosen is None else chosen if named is None else sorted(set(named) & set(chosen))
            removed = writing.remove(wanted or [])
        self._settle(catch_up=True)
        return removed

    def retry_failed(self, *, progress: Watch | None = None) -> AddReport:
        """Try all failures once more; what is no longer there is struck off the ledger."""
        failures = self.failures()
        here = [one.uri for one in failures if sources.exists(one.uri)]
        with self._catalogue.transaction() as writing:
            writing.forgive([one.uri for one in failures if one.uri not in set(here)])
        return self.add([to_path(uri) for uri in here], retry_failed=True, progress=progress)

    # ---- asking

    def search(
        self,
        query: Any = None,
        *,
        k: int | None = None,
        text: str | None = None,
        item: Name | None = None,
        vector: ArrayLike | None = None,
        mix: Sequence[tuple[Any, float]] | None = None,
        radius: float | None = None,
        where: Mapping[str, Any] | None = None,
        diversify: float | None = None,
    ) -> Hits:
        """What looks like this?

        One of: `query` (a picture: path, bytes, PIL image, uint8 array (height, width, 3)); `text`, where the embedder
        reads words; `item` (id or key; it does not answer itself); `vector` (dimension,); `mix`, weighted parts of any
        kind, negative weights push away: `mix=[("a.jpg", 1), (retrieval.item(7), .5), ("b.jpg", -1)]`.

        `k` hits (20), best first; with `radius`, everything with at least that score, however much it is (or the best k
        of it). `where`: see `retrieval.filters`. `diversify`: 0 to 1, trades nearness for variety. Fewer than k exist:
        fewer come back.

        Raises BadQuery, BadVector, BadFilter, ItemNotFound, UnreadablePicture, NoTextTower.
        """
        view = self._view or self._empty()
        if view is None:
            searching.check(k, radius, where, diversify)
            return self._nothing(query, text, item, vector, mix)
        question = Question(view, query, text=text, item=item, vector=vector, mix=mix)
        return searching.find(view, question, k=k, radius=radius, where=where, diversify=diversify)

    def search_many(self, vectors: ArrayLike, *, k: int = 10, where: Mapping[str, Any] | None = None) -> Neighbours:
        """The k nearest items of each of n vectors: `ids` int64 (n, k), -1 where fewer exist; `scores` float32 (n, k);
        `position`, the change number that they belong to."""
        view = self._view or self._empty()
        if view is None:
            raise BadQuery("the collection is empty; add pictures or vectors first")
        return searching.find_many(view, vectors, k, where)

    @overload
    def get(self, items: Name) -> Item: ...  # type: ignore[overload-overlap]  # a str is iterable, but meant as one
    @overload
    def get(self, items: Iterable[Name]) -> list[Item]: ...
    def get(self, items: Name | Iterable[Name]) -> Item | list[Item]:
        """One item, or several in that order, by id, key or path. Raises ItemNotFound."""
        names = [items] if isinstance(items, NAMES) else list(items)
        with self._catalogue.snapshot() as snapshot:
            found = [Item.of(row) for row in snapshot.items(snapshot.resolve(names))]
        return found[0] if isinstance(items, NAMES) else found

    def items(self, *, where: Mapping[str, Any] | None = None, cursor: int | None = None, limit: int = 100) -> Page:
        """A page of items in order of id; give its `cursor` to the next call."""
        if limit < 1:
            raise UsageError(f"limit is the number of items on a page, from 1 on; got {limit!r}")
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.page(parse(where), cursor or 0, limit + 1)
            more = rows[limit - 1].id if len(rows) > limit else None
            return Page(tuple(Item.of(row) for row in rows[:limit]), more, snapshot.number)

    def count(self, *, where: Mapping[str, Any] | None = None) -> int:
        """How many items a filter holds for."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.count(parse(where))

    def failures(self) -> list[Failure]:
        """What could not be read, newest first."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.failures()

    def info(self) -> Info:
        """What the collection holds."""
        space = self._view.space if self._view else None
        with self._catalogue.snapshot() as snapshot:
            counts, vectors, number = snapshot.counts(), snapshot.vector_counts(), snapshot.number
        return Info(
            path=str(self.path),
            items=counts["items"],
            vectors=vectors.get(space.id, 0) if space else 0,
            dimension=space.dimension if space else None,
            space=space.name if space else None,
            embedder=space.embedder if space else None,
            metric=space.metric if space else None,
            index=self._config.index,
            change=number,
            locations=counts["locations"],
            missing=counts["missing"],
            failures=counts["failures"],
            bytes=sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file()),
            settings=self._config.index_settings,
            repairs=tuple(self._view.followers.repairs) if self._view else (),
        )

    # ---- keeping

    def catch_up(self) -> int:
        """Bring every follower to the newest change, and say which that is."""
        self._look()
        if self._view:
            self._view.followers.bring()
            self._maybe_save()
        return self._change()

    def verify(self, *, repair: bool = False) -> Report:
        """Compare catalogue, derived files and disk. With `repair`, mend what can be mended (derived things only)."""
        found = audit.verify(self._catalogue, self._view.followers if self._view else None, repair=repair)
        return Report(
            not found.problems or found.mended, tuple(found.problems), tuple(found.repaired), tuple(found.checked)
        )

    def export(self, path: str | PathLike[str], *, where: Mapping[str, Any] | None = None) -> int:
        """Write items to a file: .csv, .jsonl, .parquet, or .npz with their vectors. How many it were."""
        with self._catalogue.snapshot() as snapshot:
            return transfer.export(snapshot, self._view.space if self._view else None, Path(path), parse(where))

    # ---- inside

    def _look(self) -> None:
        """Take up the current space, if there is one by now."""
        if self._view is None:
            space = spaces.current(self._catalogue)
            self._view = self._start(space) if space else None

    def _empty(self) -> View | None:
        """The view that another process may have made meanwhile."""
        self._look()
        return self._view

    def _nothing(self, query: Any, text: Any, item: Any, vector: Any, mix: Any) -> Hits:
        if sum(one is not None for one in (query, text, item, vector, mix)) != 1:
            raise BadQuery("search takes one of a picture, text=, item=, vector= and mix=")
        return Hits((), self._change())

    def _start(self, space: Space) -> View:
        self._embedding.adopt(space)
        self._view = spaces.view(self._catalogue, space, self._embedding, self._config)
        return self._view

    def _run(self, retry_failed: bool, progress: Watch | None) -> Run:
        self._look()
        embedder = self._embedding.get()
        view = self._view or self._start(self._embedding.space(self._catalogue))
        return Run(
            self._catalogue,
            view.space,
            embedder,
            self._config.limits,
            workers=self._config.cores,
            size=self._config.batch or embedder.batch_size,
            retry_failed=retry_failed,
            recorded=self._recorded,
            progress=progress or (lambda _: None),
        )

    def _recorded(self) -> None:
        """After a transaction of a run: the index follows at once, so that the work is spread over the run."""
        self._wrote = True
        if self._view:
            self._view.followers.bring(every=False)
            self._maybe_save()

    def _settle(self, catch_up: bool) -> None:
        """After a write."""
        self._wrote = True
        if self._view:
            self._view.followers.bring(every=catch_up)
            self._maybe_save()

    def _maybe_save(self) -> None:
        assert self._view is not None
        late = time.monotonic() - self._saved > self._config.save_seconds
        if late or self._view.followers.unsaved() >= self._config.save_changes:
            self._view.followers.save()
            self._saved = time.monotonic()

    def _change(self) -> int:
        with self._catalogue.snapshot() as snapshot:
            return snapshot.number
