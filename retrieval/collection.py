"""The collection: what a user holds. It composes the rooms; what happens is written there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL.Image import Image

from indexers import audit
from indexers.arrays import split_chunks
from indexers.catalogue import metadata as attributes
from indexers.catalogue.catalogue import Catalogue
from indexers.embedders.base import Embedder
from indexers.errors import CollectionNotFound, UsageError
from indexers.pictures.images import to_path
from indexers.pipeline import Progress
from indexers.types import Json, Space
from retrieval import config as settings_of
from retrieval.answers import NAMES, Name
from retrieval.clusters.named import Clusterings
from retrieval.duplicates.finder import Copies
from retrieval.filters import parse_filter
from retrieval.records.items import VECTOR, Item
from retrieval.records.reports import AddReport, Report, SpaceInfo, SyncReport, tallied
from retrieval.spaces.spaces import Spaces, check_name, embedder_setting
from retrieval.transfer import exporting as transfer
from retrieval.transfer import importing as imports
from retrieval.transfer import sources

Picture = str | PathLike[str] | bytes | Image | NDArray[np.uint8]
Watch = Callable[[Progress], object]


class Collection(Copies, Clusterings):
    """Pictures, their vectors and all that follows from them, in one folder.

    Open it with `Collection.open`; use it as a context manager or `close` it: that saves what makes the next opening
    fast (nothing is lost without it). A collection may be used from several threads at once, and opened by several
    processes: any number of them read, one at a time writes.
    """

    def __init__(self, catalogue: Catalogue, config: settings_of.Config, embedder: str | Embedder | None) -> None:
        """Not for users: see `open`."""
        self._catalogue, self._config = catalogue, config
        self._spaces = Spaces(catalogue, config, embedder)

    @classmethod
    def open(
        cls, path: str | PathLike[str], *, create: bool = False, embedder: str | Embedder | None = None, **settings: Any
    ) -> Self:
        """Open the collection in the folder `path`; with `create`, make it if there is none.

        `embedder`: what turns pictures into vectors, by name (`lite0` if none is given) or an instance of your own. The
        collection remembers it; opening with one that it does not have is an error (see `fill`). `settings`: see
        `retrieval.config.Config`; they go over the environment (`NEARKIN_EF=200`) and the file `nearkin.toml` in the
        folder.

        What is missing in derived files is replayed, what is broken is rebuilt; `info().repairs` says so.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem, BadSetting,
        UnknownPlugin.
        """
        folder = Path(path).expanduser().resolve()
        config = settings_of.load(folder, settings)
        check_name(embedder)
        try:
            catalogue = Catalogue.open(folder, config.wait)
        except CollectionNotFound:
            if not create:
                raise
            catalogue = Catalogue.create(folder, embedder_setting(embedder), config.wait)
        try:
            collection = cls(catalogue, config, embedder)
            collection._spaces.view()
        except BaseException:
            catalogue.close()
            raise
        return collection

    def close(self) -> None:
        """Save derived files that are behind, and let go of everything."""
        self._spaces.close()
        self._catalogue.close()

    def isolate(self) -> None:
        """Decode pictures in processes of their own from now on, as the setting `isolated` does: for who takes pictures
        that nobody can vouch for, such as a server."""
        self._spaces.isolate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        view = self._spaces.current
        space = view.space.name if view else "empty"
        return f"<Collection {str(self.path)!r} ({space})>"

    # ---- putting in

    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        keys: Sequence[str | None] | None = None,
        texts: Sequence[str | None] | None = None,
        retry_failed: bool = False,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> AddReport:
        """Add pictures: files, folders (with all below them), globs, addresses (`zip://*.jpg::holiday.zip`); bytes, PIL
        images and uint8 arrays (height, width, 3), best with `keys`.

        `metadata`: one object for all, or one for each picture. `keys`: one for each; a known key replaces its picture.
        What is there already costs next to nothing and has its metadata merged, later keys win. What can't be read is
        entered as a failure, and tried again when the file changes or with `retry_failed`. `catch_up=False` leaves
        followers that searching does not need to a later `catch_up()`.

        Raises WriterBusy, WriteFailed, BadMetadata, Unavailable (weights or packages), UsageError.
        """
        started = time.perf_counter()
        given = sources.sort_pictures(pictures, metadata, keys, texts)
        run = self._spaces.start_run(
            self._spaces.open_for_pictures(), retry_failed=retry_failed, progress=progress or _unwatched
        )
        try:
            tally = run.add_files(given.files, given.metadata) if given.files is not None else run.add(given.sources)
        finally:
            self._spaces.settle(catch_up)
        items = tally.given if given.files is None else tally.added
        return AddReport(**tallied(tally), replaced=tally.replaced, items=tuple(items), **self._since(started))

    def add_vectors(
        self,
        vectors: ArrayLike | Sequence[ArrayLike | None],
        *,
        keys: Sequence[str | None] | None = None,
        uris: Sequence[str | None] | None = None,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        texts: Sequence[str | None] | None = None,
        replace: bool = False,
        catch_up: bool = True,
    ) -> AddReport:
        """Add ready-made vectors, float32 (n, dimension), in one transaction. A None in their list: an item without a
        vector as yet, which filters and words find. Known keys get the new vector, and have their metadata merged; with
        `replace`, nothing of what they held before stays.

        Raises BadVector (NaN, infinite, zero, of another dimension) before anything is written.
        """
        started = time.perf_counter()
        given, there = sources.drop_missing(vectors)
        view = self._spaces.open_for_vectors(given) if there is None or any(there) else self._spaces.view()
        space = view.space if view else None
        arrivals = sources.build_arrivals(vectors, space, keys, uris, metadata, texts)
        with self._catalogue.transaction() as writing:
            into, kept = space.id if space else None, []
            for part in split_chunks(arrivals):
                kept += writing.put(part, into, more=True, replace=replace)
            writing.leave()
        self._spaces.settle(catch_up)
        new = sum(one.is_new for one in kept)
        items = tuple(one.item_id for one in kept)
        return AddReport(new, 0, 0, (), replaced=len(kept) - new, items=items, **self._since(started))

    def add_texts(
        self,
        texts: Sequence[str],
        *,
        keys: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        replace: bool = False,
        catch_up: bool = True,
    ) -> AddReport:
        """Add texts as items of their own, beside the pictures, by the vectors that the embedder gives their words.
        Otherwise as `add_vectors`. Raises NoTextTower, and what `add_vectors` raises."""
        embedder = self._spaces.find_text_embedder()
        vectors = [row for part in split_chunks(texts, embedder.batch_size) for row in embedder.embed_texts(part)]
        return self.add_vectors(vectors, keys=keys, metadata=metadata, texts=texts, replace=replace, catch_up=catch_up)

    def import_from(
        self,
        paths: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        vector: str = VECTOR,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> AddReport:
        """Add items with ready-made vectors from files, a batch a transaction; known keys are replaced.

        Takes what `export` writes with vectors (.parquet, .npz), with all that it holds of the items; other Parquet
        with a column of vectors called `vector`, of which `key`, `uri` or `image_path`, `text` or `caption` are taken
        as such and the other columns as metadata; .npz with `vectors` and, if there are, `keys`, `uris`, `texts`; and
        folders as clip-retrieval leaves them (`img_emb`, `metadata`). A row without a key has its URI for one. Into an
        empty collection, an export brings its embedder and metric.

        Raises UsageError (not such a file; vectors of another embedder), BadVector, BadMetadata, MissingPackage.
        """
        started = time.perf_counter()
        work = imports.Import(self._catalogue, self._spaces.open_for_import, progress or _unwatched)
        try:
            work.run(paths, vector)
        finally:
            self._spaces.settle(catch_up)
        return AddReport(**work.describe(), **self._since(started))

    def fill(self, embedder: str | Embedder, *, progress: Watch | None = None) -> AddReport:
        """Fill a second space: embed everything that is in the collection with another embedder, from where it was
        found. Searches go on in the current space; `use` switches to the new one. Interrupt it and call it again: only
        what is still missing is embedded.

        Raises what `add` raises; what can't be read any more is in the report's failures.
        """
        started = time.perf_counter()
        view = self._spaces.open_second(embedder)
        run = self._spaces.start_run(view, progress=progress or _unwatched)
        with self._catalogue.snapshot() as snapshot:
            lacking = snapshot.lacking(view.space.id)
        try:
            tally = run.fill(lacking)
        finally:
            self._spaces.settle(True)
        return AddReport(**tallied(tally), items=tuple(tally.added), **self._since(started))

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
        run = self._spaces.start_run(
            self._spaces.open_for_pictures(), retry_failed=retry_failed, progress=progress or _unwatched
        )
        try:
            tally = run.add_files(scan, attributes.check(metadata or {}))
            missing = self._mark_missing(scan)
        finally:
            self._spaces.settle(catch_up)
        return SyncReport(**tallied(tally), missing=missing, returned=tally.returned, **self._since(started))

    def _mark_missing(self, scan: sources.Scan) -> int:
        with self._catalogue.transaction() as writing:
            gone = scan.find_vanished(writing.places_under(scan.prefixes))
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
        self._spaces.settle()
        return self.get(one)

    def update_all(self, metadata: Mapping[str, Any], *, where: Mapping[str, Any]) -> int:
        """Merge metadata into that of all items that a filter holds for, in one transaction. How many it were."""
        checked = attributes.check(metadata)
        with self._catalogue.transaction() as writing:
            chosen = writing.ids(parse_filter(where)).tolist()
            for one in chosen:
                writing.update(one, checked)
        self._spaces.settle()
        return len(chosen)

    def remove(self, items: Name | Iterable[Name] | None = None, *, where: Mapping[str, Any] | None = None) -> int:
        """Remove items by id or key, or all that a filter holds for (with both: those of these). How many it were.

        The files themselves are never touched. Raises ItemNotFound before anything is removed.
        """
        if items is None and where is None:
            raise UsageError("remove takes items, where= or both; to remove everything: where={}")
        names = None if items is None else [items] if isinstance(items, NAMES) else list(items)
        with self._catalogue.transaction() as writing:
            chosen = writing.ids(parse_filter(where)).tolist() if where is not None else None
            named = writing.resolve(names) if names is not None else None
            wanted = named if chosen is None else chosen if named is None else sorted(set(named) & set(chosen))
            removed = writing.remove(wanted or [])
        self._spaces.settle()
        return removed

    def retry_failed(self, *, progress: Watch | None = None) -> AddReport:
        """Try all failures once more; what is no longer there is struck off the ledger."""
        failures = self.failures()
        here = [one.uri for one in failures if sources.is_existing_file(one.uri)]
        with self._catalogue.transaction() as writing:
            writing.forgive([one.uri for one in failures if one.uri not in set(here)])
        return self.add([to_path(uri) for uri in here], retry_failed=True, progress=progress)

    # ---- keeping

    def spaces(self) -> tuple[SpaceInfo, ...]:
        """The spaces there are, and how full each is."""
        with self._catalogue.snapshot() as snapshot:
            counts = snapshot.vector_counts()
            return tuple(SpaceInfo.of(one, counts.get(one.id, 0)) for one in snapshot.spaces())

    def use(self, space: str, *, partial: bool = False) -> None:
        """Search that space from now on: one step, in every process that has the collection open.

        Raises SpaceNotFound; UsageError if the space lacks items that another one has, unless `partial`.
        """
        self._spaces.use(space, partial=partial)

    def drop_space(self, space: str) -> None:
        """Remove a space with its vectors and files. Raises SpaceNotFound, UsageError (the current one)."""
        self._spaces.drop(space)

    def catch_up(self) -> int:
        """Bring every follower to the newest change, and say which that is."""
        self._spaces.view()
        self._spaces.settle(patient=False)
        return self.change()

    def verify(self, *, repair: bool = False) -> Report:
        """Compare catalogue, derived files and disk. With `repair`, mend what can be mended (derived things only)."""
        views = [self._spaces.view(space.name) for space in self.spaces()]
        found = audit.verify(self._catalogue, [view.followers for view in views if view], repair=repair)
        return Report(
            not found.problems or found.mended, tuple(found.problems), tuple(found.repaired), tuple(found.checked)
        )

    def export(
        self, path: str | PathLike[str], *, where: Mapping[str, Any] | None = None, vectors: bool = False
    ) -> int:
        """Write items with their clusters to a file: .csv, .jsonl, .parquet (with `vectors`, those of the current space
        as well), or .npz, of the items that have a vector, always with it. How many items. What has the vectors can
        be read back with `import_from`."""
        with self._catalogue.snapshot() as snapshot:
            return transfer.export_items(snapshot, self._space(), Path(path).expanduser(), parse_filter(where), vectors)

    def to_pandas(self, *, where: Mapping[str, Any] | None = None) -> Any:
        """Items as a pandas.DataFrame: a column for each field, for each metadata key (`metadata.width` where a field
        has that name), for each level of clusters and each clustering by name (public ids; <NA>: loose). Raises
        MissingPackage."""
        with self._catalogue.snapshot() as snapshot:
            return transfer.build_frame(snapshot, self._space(), parse_filter(where))

    # ---- inside

    def _space(self) -> Space | None:
        view = self._spaces.current
        return view.space if view else None

    def _since(self, started: float) -> Json:
        return {"change": self.change(), "seconds": time.perf_counter() - started}


def _unwatched(_: Progress) -> None:
    """Nobody asked for progress."""
