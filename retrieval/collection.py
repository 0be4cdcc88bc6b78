"""The collection: everything that a user can call. Each method hands the call to a part, which does the work."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn, Self, overload

from numpy.typing import ArrayLike
from PIL.Image import Image

from indexers import audit
from indexers.catalogue.backup import back_up_catalogue
from indexers.catalogue.catalogue import Catalogue
from indexers.embedders.base import Embedder
from indexers.errors import CollectionClosed, CollectionNotFound
from indexers.matching.verification import SAME
from indexers.pictures.images import Picture as DecodedPicture
from indexers.types import Failure, Neighbours, Space, Vectors
from indexers.vectors.staged import SCANNED
from retrieval import config as configuration
from retrieval.checks import ItemName, check_calls, is_item_name, list_names
from retrieval.checks import path as check_path
from retrieval.clusters.browser import ClusterBrowser
from retrieval.clusters.correcting import ClusterCorrector
from retrieval.clusters.named import NamedClusterings
from retrieval.duplicates.decisions import DuplicateDecisions
from retrieval.duplicates.finder import DuplicateFinder
from retrieval.duplicates.moving import DuplicateMover
from retrieval.evaluation import request as evaluation
from retrieval.filters import parse_filter
from retrieval.items.adding import Adder, Metadata, Roots, Watch, ignore_progress
from retrieval.items.items import Items
from retrieval.items.measuring import PictureMeasurer
from retrieval.items.pictures import PictureLoader
from retrieval.items.reading import PictureReader
from retrieval.items.sources import Picture
from retrieval.items.trash import Trash
from retrieval.maps.mapper import Mapper
from retrieval.parts.finder import PartFinder, list_finders
from retrieval.parts.pictures import PartPictures
from retrieval.proposals.book import ProposalBook
from retrieval.records.clusters import (
    Cluster,
    ClusterEvent,
    Clusters,
    Correction,
    Loose,
    NamedClustering,
    Outlier,
    Partition,
    SomeClusters,
)
from retrieval.records.duplicates import DuplicateGroup, Match, Merge, Move
from retrieval.records.evaluation import Evaluation
from retrieval.records.items import VECTOR, Item, Page, TrashedItem
from retrieval.records.learning import Lesson, Suggestion, Suggestions
from retrieval.records.maps import CollectionMap
from retrieval.records.parts import FindReport, Part
from retrieval.records.proposals import Proposal
from retrieval.records.reports import AddReport, Backup, Info, ReadReport, Report, SpaceInfo, SyncReport
from retrieval.records.search import Hits
from retrieval.records.stacks import Stack
from retrieval.records.structure import NeighbourPath, Summary
from retrieval.records.together import Alignment, Stitched
from retrieval.records.work import QueueReport, WorkReport
from retrieval.search.options import Options, QueryParts
from retrieval.search.search import Search
from retrieval.search.sight import resolve_sight
from retrieval.spaces.embedder_names import check_name, embedder_setting
from retrieval.spaces.info import measure_folder, read_info
from retrieval.spaces.spaces import Spaces
from retrieval.stacks.finder import StackFinder
from retrieval.structure.explorer import GraphExplorer
from retrieval.together.workshop import Workshop
from retrieval.transfer import exporting, importing
from retrieval.work.queue import WorkQueue

if TYPE_CHECKING:
    from retrieval.learning.lessons import Lessons

log = logging.getLogger("nearkin")


class Parts:
    """The parts of a collection, over one open database."""

    def __init__(self, catalogue: Catalogue, config: configuration.Config, embedder: str | Embedder | None) -> None:
        self.process, self.catalogue = os.getpid(), catalogue
        self.spaces = spaces = Spaces(catalogue, config, embedder)
        self.pictures = PictureLoader(catalogue, spaces)
        self.part_pictures = PartPictures(catalogue, self.pictures)
        self.trash = Trash(catalogue, spaces, config.trash_days)
        self.items, self.adder = Items(catalogue, spaces, self.trash), Adder(catalogue, spaces)
        self.browser = ClusterBrowser(catalogue, spaces, self.pictures)
        self.search = Search(catalogue, spaces, config, self.browser, self.pictures)
        self.part_finder = PartFinder(catalogue, spaces, self.pictures, config.cores)
        self.reader = PictureReader(catalogue, self.pictures, config.cores)
        self.measurer = PictureMeasurer(catalogue, self.pictures)
        self.corrector = ClusterCorrector(catalogue, spaces, self.browser)
        self.clusterings = NamedClusterings(catalogue, spaces)
        self.duplicates = DuplicateFinder(catalogue, spaces, config, self.pictures)
        self.explorer = GraphExplorer(self.browser, self.pictures)
        self.workshop = Workshop(catalogue, self.pictures)
        self.stacks = StackFinder(catalogue, spaces, self.duplicates, self.pictures)
        self.work = WorkQueue(catalogue, spaces, self.adder, self.reader)
        self.mapper = Mapper(catalogue, self.browser)
        self.mover, self.decisions = DuplicateMover(catalogue, self.items), DuplicateDecisions(catalogue)
        self.proposals = ProposalBook(
            catalogue, self.items, self.browser, self.corrector, self.duplicates, self.decisions
        )

    @cached_property
    def lessons(self) -> Lessons:
        """What learns from labels, made when it is asked for: scikit-learn takes longer than a search's start."""
        from retrieval.learning.lessons import Lessons

        return Lessons(self.catalogue, self.browser, self.pictures)


WRITING = frozenset(
    (
        *("add", "add_vectors", "add_texts", "import_from", "fill", "sync", "retry_failed", "read", "find_parts"),
        *("calibrate", "queue", "work"),
        *("update", "update_all", "remove", "restore", "empty_trash", "rename", "recluster", "use", "drop_space"),
        *("make_clustering", "refresh_clustering", "drop_clustering"),
        *("merge_clusters", "split_cluster", "move_to_cluster", "keep_together", "keep_apart", "hide"),
        *("decide", "choose_cover", "not_duplicates", "keep_both", "undo", "undo_moves"),
        *("propose", "accept_proposal", "reject_proposal"),
        *("learn", "accept", "reject", "measure"),
    )
)
"""The methods that always write: of a collection that may only be read, they are refused before they begin."""


@check_calls
class Collection:
    """Pictures, their vectors and everything derived from them, in one folder or in a database.

    Open it with `Collection.open`, and use it as a context manager or `close` it: closing saves files that make the
    next opening fast. Without closing nothing is lost. Several threads may use a collection at once, and several
    processes may open it: any number of them may read, and one at a time may write. If the folder can't be written
    (another user's, a read-only mount, a snapshot), methods that write raise CollectionReadOnly.
    """

    def __init__(self, catalogue: Catalogue, config: configuration.Config, embedder: str | Embedder | None) -> None:
        """Compose the parts. Users call `open`."""
        self._config, self._embedder = config, embedder
        self._opened = Parts(catalogue, config, embedder)
        self._opening = Lock()
        self._repairs: list[str] = []
        self._is_closed = False

    def _check_open(self, method: str) -> None:
        """Raise CollectionClosed, or CollectionReadOnly for a method that writes."""
        if self._is_closed and method != "close":
            raise CollectionClosed(
                f"the collection in {self.address} is closed; open it again: Collection.open({self.address!r})"
            )
        if method in WRITING:
            self._catalogue.check_writable()

    def _explain_error(self, error: Exception) -> None:
        """Raise CatalogueDamaged if the error may come from values in the database that no nearkin has written."""
        if not self._is_closed:
            self._opened.catalogue.suspicion.blame_database(error)

    @property
    def _parts(self) -> Parts:
        """The parts. They are opened again if another database has replaced the open one, and in a forked process; also
        by the next call where that failed, since the folder was away or a writer held its lock."""
        if not self._is_closed and not self._opened.catalogue.is_current():
            with self._opening:
                if not self._is_closed and not self._opened.catalogue.is_current():
                    self._reopen()
        return self._opened

    def _reopen(self) -> None:
        earlier = self._opened
        self._opened = Parts(earlier.catalogue.reopen(), self._config, self._embedder)
        if earlier.process == self._opened.process:
            earlier.spaces.release()
        if earlier.process == self._opened.process and not earlier.catalogue.is_read_only:
            self._repairs.append("another database has replaced the open one; it was opened")
            log.warning("%s: %s", self.address, self._repairs[-1])

    @property
    def _catalogue(self) -> Catalogue:
        return self._parts.catalogue

    @property
    def _spaces(self) -> Spaces:
        return self._parts.spaces

    @property
    def _browser(self) -> ClusterBrowser:
        return self._parts.browser

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        create: bool = False,
        embedder: str | Embedder | None = None,
        catalogue_url: str | None = None,
        **settings: Any,
    ) -> Self:
        """Open the collection in the folder `path`, or at the address of a PostgreSQL database.

        path: a folder, or an address such as `postgresql://user@host/database`, which any number of machines may open.
            Each has a folder of its own for what follows the database: NEARKIN_FOLDER, or one in the user's cache.
        create: create the collection if there is none.
        embedder: turns pictures into vectors; a name (default `lite0`) or an instance of your own. The collection
            remembers it: to open it with an embedder that it does not have is an error (see `fill`).
        catalogue_url: the address of the database; `path` is then the folder for what follows it. NEARKIN_CATALOGUE_URL
            says the same.
        settings: see `retrieval.config.Config`; they override the environment (`NEARKIN_EF=200`) and the file
            `nearkin.toml` in the folder.

        Derived files that are behind get the missing changes; damaged files are built again, and `info().repairs` lists
        them.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem, BadSetting,
        UnknownPlugin.
        """
        address = configuration.choose_address(check_path("path", path), catalogue_url)
        config = configuration.load(address if isinstance(address, Path) else address.folder, settings)
        check_name(embedder)
        try:
            catalogue = Catalogue.open(address, config.wait)
        except CollectionNotFound:
            if not create:
                raise
            catalogue = Catalogue.create(address, embedder_setting(embedder), config.wait)
        try:
            folder = catalogue.folder
            restricted = configuration.list_restricted(folder)
            is_own = not restricted or catalogue.is_own()
            config = configuration.load(folder, settings, is_own=is_own)
            if not is_own:
                log.warning(
                    "%s: its file %s sets %s, which is not taken from a collection that somebody else, or an older "
                    "nearkin, has made: give arguments or variables of the environment, or sign it: nearkin trust %s",
                    folder,
                    configuration.FILE,
                    ", ".join(restricted),
                    folder,
                )
            with catalogue.suspicion:
                collection = cls(catalogue, config, embedder)
                collection._spaces.view()
                if not catalogue.is_read_only:
                    collection._parts.trash.empty_expired()
        except BaseException:
            catalogue.close()
            raise
        return collection

    def close(self) -> None:
        """Save derived files that are behind, and close and unmap all files."""
        opened, self._is_closed = self._opened, True
        try:
            if opened.catalogue.is_current():  # else nothing of it is worth a file
                with opened.catalogue.suspicion:
                    opened.spaces.close()
        finally:
            opened.spaces.release()
            opened.catalogue.close()

    def isolate(self) -> None:
        """Decode pictures in separate processes from now on, as with the setting `isolated`.

        This is for untrusted pictures, such as those that a server receives.
        """
        self._config = replace(self._config, isolated=1)
        self._spaces.isolate()

    def __enter__(self) -> Self:
        self._check_open("__enter__")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a Collection can't be pickled or copied, since it holds open files and locks; pass its path on, and open "
            f"it there: Collection.open({self.address!r})"
        )

    def __repr__(self) -> str:
        if self._is_closed:
            return f"<Collection {self.address!r} (closed)>"
        space = self._current_space()
        return f"<Collection {self.address!r} ({space.name if space else 'empty'})>"

    @property
    def path(self) -> Path:
        """The collection's folder; of one in a database, the folder on this machine for what follows it."""
        return self._opened.catalogue.folder

    @property
    def address(self) -> str:
        """What the collection is opened by, without a password: its folder, or the address of its database."""
        return self._opened.catalogue.address

    @property
    def is_own(self) -> bool:
        """Whether this user has created the collection, or trusts it (`nearkin trust`)."""
        return self._catalogue.is_own()

    # ---- putting items in

    def add(
        self,
        pictures: Picture | Iterable[Picture],
        *,
        metadata: Metadata = None,
        keys: Sequence[str | None] | None = None,
        texts: Sequence[str | None] | None = None,
        retry_failed: bool = False,
        roots: Roots = None,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> AddReport:
        """Add pictures.

        pictures: files, folders (with everything below them), globs, URLs (`zip://*.jpg::holiday.zip`), bytes, PIL
            images and uint8 arrays (height, width, 3). Give `keys` for pictures that are not files.
        metadata: one object for all, or one for each picture.
        keys: one for each picture. An item whose key is known gets the new picture.
        texts: one for each picture; `search(query=...)` finds their words.
        retry_failed: try files again that failed before and have not changed since.
        roots: for paths that somebody else names: files must lie in these folders once all links are followed, and URLs
            are refused.
        catch_up: False leaves followers that searching does not need, such as clusters, to a later `catch_up()`.
        progress: called with a `Progress` as pictures are recorded.

        Known files are not read again; the new metadata is merged into that of their items, and new values win. A
        picture that can't be read is recorded as a failure, and tried again when its file has changed.

        Raises WriterBusy, WriteFailed, BadMetadata, Unavailable (weights or packages), UsageError.
        """
        report = self._parts.adder.add(
            pictures,
            metadata=metadata,
            keys=keys,
            texts=texts,
            retry_failed=retry_failed,
            roots=roots,
            catch_up=catch_up,
            progress=progress,
        )
        self._read_new(catch_up)
        return report

    def add_vectors(
        self,
        vectors: ArrayLike | Sequence[ArrayLike | None],
        *,
        keys: Sequence[str | None] | None = None,
        uris: Sequence[str | None] | None = None,
        metadata: Metadata = None,
        texts: Sequence[str | None] | None = None,
        replace: bool = False,
        catch_up: bool = True,
    ) -> AddReport:
        """Add ready-made vectors, float32 (n, dimension), in one transaction.

        vectors: a None in a list stands for an item that has no vector yet; filters and words can find it.
        keys: an item whose key is known gets the new vector, and the new metadata is merged into its own.
        replace: an item whose key is known loses its old metadata, text and URIs.

        Raises BadVector (NaN, infinite, zero, wrong dimension) before anything is written, BadMetadata, UsageError,
        WriterBusy, WriteFailed.
        """
        return self._parts.adder.add_vectors(
            vectors, keys=keys, uris=uris, metadata=metadata, texts=texts, replace=replace, catch_up=catch_up
        )

    def add_texts(
        self,
        texts: Sequence[str],
        *,
        keys: Sequence[str] | None = None,
        metadata: Metadata = None,
        replace: bool = False,
        catch_up: bool = True,
    ) -> AddReport:
        """Add texts as items. The embedder turns each text into a vector.

        Raises NoTextTower, and what `add_vectors` raises.
        """
        return self._parts.adder.add_texts(texts, keys=keys, metadata=metadata, replace=replace, catch_up=catch_up)

    def import_from(
        self,
        paths: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        vector: str = VECTOR,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> AddReport:
        """Add items with ready-made vectors from files, one transaction for each batch; known keys are replaced.

        Each file is checked to its end first: nothing is stored of a damaged file, or one of another kind.

        Reads:
        - the files with vectors that `export` writes (.parquet, .npz), with all fields of the items, and what people
          said of their clusters. An empty collection takes over their embedder and metric.
        - other Parquet files with a column of vectors named `vector`. The columns `key`, `uri` or `image_path`, `text`
          or `caption` are read as fields; all other columns become metadata.
        - .npz files with the array `vectors`, and optionally `keys`, `uris` and `texts`.
        - folders of clip-retrieval (`img_emb`, `metadata`).

        The key of a row without a key is its URI.

        Raises UsageError (no such file; vectors of another embedder), BadVector, BadMetadata, MissingPackage.
        """
        started = time.perf_counter()
        work = importing.Import(self._catalogue, self._spaces, progress or ignore_progress)
        try:
            work.run(paths, vector)
        finally:
            self._spaces.settle(catch_up)
        return AddReport(**work.describe(), **self._parts.adder.stamp(started))

    def fill(self, embedder: str | Embedder, *, progress: Watch | None = None) -> AddReport:
        """Fill a second space: read the picture of every item again, and embed it with another embedder.

        Searches go on in the current space; `use` switches to the new one. If `fill` was interrupted, call it again: it
        embeds only items that are still missing.

        Raises what `add` raises. Pictures that can't be read any more are in the report's failures.
        """
        return self._parts.adder.fill(embedder, progress)

    def sync(
        self,
        folders: Picture | Iterable[Picture],
        *,
        metadata: Mapping[str, Any] | None = None,
        retry_failed: bool = False,
        check: bool = False,
        roots: Roots = None,
        catch_up: bool = True,
        progress: Watch | None = None,
    ) -> SyncReport:
        """Add new pictures from these folders, and mark locations that have vanished from them.

        check: also read known files again whose size and time have not changed.
        roots: as in `add`.

        Nothing is removed. If all locations of an item have vanished, the item is `missing` until one of them comes
        back; `remove(where={"missing": True})` removes such items.
        """
        report = self._parts.adder.sync(
            folders,
            metadata=metadata,
            retry_failed=retry_failed,
            check=check,
            roots=roots,
            catch_up=catch_up,
            progress=progress,
        )
        self._read_new(catch_up)
        return report

    def retry_failed(self, *, roots: Roots = None, progress: Watch | None = None) -> AddReport:
        """Try every failure again; forget those whose file no longer exists.

        roots: as in `add`, for the files below these folders; others are tried wherever they lie.
        """
        return self._parts.adder.retry_failed(roots, progress)

    # ---- work for many processes

    def queue(
        self,
        paths: str | PathLike[str] | Iterable[str | PathLike[str]] | None = None,
        *,
        kinds: str | Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        retry_failed: bool = False,
        roots: Roots = None,
    ) -> QueueReport:
        """Queue work for `work`, which any number of processes may do, on every machine that opens the collection.

        paths: files, folders, globs and URLs to add, as for `add`; those that are known are left out.
        kinds: without paths, what is to be done with the items that there are: "read" (the text in their pictures).
        metadata: for all these pictures. retry_failed, roots: as in `add`.

        Raises UsageError, BadMetadata, WriterBusy, WriteFailed.
        """
        return self._parts.work.put(paths, kinds=kinds, metadata=metadata, retry_failed=retry_failed, roots=roots)

    def work(
        self,
        *,
        kinds: str | Sequence[str] | None = None,
        watch: bool = False,
        retry_failed: bool = False,
        lease: float = 30.0,
        batch: int = 64,
        progress: Watch | None = None,
    ) -> WorkReport:
        """Do the work that `queue` has queued, beside any number of other processes, until nothing is left.

        kinds: only work of these kinds: "embed" (pictures to add), "read".
        watch: go on waiting for work.
        retry_failed: try again what could not be done.
        lease: seconds after which a process that says nothing counts as dead: others do its work.
        batch: rows that are claimed at a time.
        progress: called with a `Progress`. `info().work` tells of all processes.

        A picture is recorded once, whoever reads it, and however often. Clusters follow where they are asked for.

        Raises UsageError, Unavailable (weights or packages), WriterBusy, ReadFailed, WriteFailed.
        """
        return self._parts.work.work(
            kinds, watch=watch, retry_failed=retry_failed, lease=lease, batch=batch, progress=progress
        )

    # ---- items

    @overload
    def get(self, items: ItemName) -> Item: ...  # type: ignore[overload-overlap]  # a str is iterable, but meant as one
    @overload
    def get(self, items: Iterable[ItemName]) -> list[Item]: ...
    def get(self, items: ItemName | Iterable[ItemName]) -> Item | list[Item]:
        """Return one item, or several in that order, by id, key or path. Raises ItemNotFound."""
        rows = self._parts.items.read(list_names(items))
        return rows[0] if is_item_name(items) else rows

    def items(
        self,
        *,
        where: Mapping[str, Any] | None = None,
        cursor: int | None = None,
        limit: int = 100,
        page: int | None = None,
    ) -> Page:
        """Return a page of items in order of id; pass its `cursor` to the next call.

        page: the number of a page, from 1 on, instead of a cursor. Raises BadFilter, BadQuery, UsageError.
        """
        return self._parts.items.read_page(self._resolve(where), cursor, limit, page)

    def walk(self, *, where: Mapping[str, Any] | None = None) -> Iterator[Item]:
        """Yield every item that matches a filter, in order of id, reading a page at a time. Raises BadFilter."""
        return self._parts.items.walk(self._resolve(where))

    def count(self, *, where: Mapping[str, Any] | None = None) -> int:
        """Return the number of items that match a filter. Raises BadFilter."""
        return self._parts.items.count(self._resolve(where))

    def vectors(self, items: ItemName | Iterable[ItemName], *, space: str | None = None) -> dict[int, Vectors]:
        """Return the vectors of items, float32 (dimension,), by item id; items without a vector are left out.

        Raises ItemNotFound, SpaceNotFound.
        """
        return self._parts.items.read_vectors(list_names(items), space)

    def update(
        self,
        item: ItemName,
        metadata: Mapping[str, Any] | None = None,
        *,
        text: str | None = None,
        replace: bool = False,
    ) -> Item:
        """Merge metadata into that of an item, or with `replace` replace it; and set the item's text.

        Raises ItemNotFound, BadMetadata, UsageError.
        """
        return self._parts.items.update(item, metadata, text, replace)

    def update_all(
        self,
        metadata: Mapping[str, Any] | None = None,
        *,
        where: Mapping[str, Any],
        extend: Mapping[str, Any] | None = None,
        reduce: Mapping[str, Any] | None = None,
    ) -> int:
        """Merge metadata into every item that matches a filter, in one transaction. Return their number.

        extend, reduce: values that lists in the metadata gain or lose: `extend={"tags": ["sea"]}`.

        Raises BadMetadata, BadFilter, UsageError.
        """
        return self._parts.items.update_all(metadata or {}, self._resolve(where), extend, reduce)

    def remove(
        self,
        items: ItemName | Iterable[ItemName] | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        purge: bool = False,
    ) -> int:
        """Remove items and return their number. For 30 days (setting `trash_days`) `restore` brings them back.

        items: by id, key or path; with `where` only those of them that match the filter.
        where: without `items`, all items that match the filter.
        purge: delete them for good, at once.

        The picture files are not touched. Raises ItemNotFound before anything is removed.
        """
        return self._parts.items.remove(items, self._resolve(where), purge)

    def trash(self) -> tuple[TrashedItem, ...]:
        """Return the removed items that `restore` brings back, the newest removal first."""
        return self._parts.trash.read()

    def restore(self, items: ItemName | Iterable[ItemName]) -> int:
        """Bring removed items back, by id, key or path, and return their number.

        They have their ids, metadata, vectors and clusters again, and nothing is computed anew.

        Raises ItemNotFound, and UsageError if an item with the same key was added since.
        """
        return self._parts.trash.restore(list_names(items))

    def empty_trash(self, items: ItemName | Iterable[ItemName] | None = None) -> int:
        """Delete removed items for good, all or these, and return their number.

        Nothing of them stays in the database, in files derived from it, or among thumbnails. Raises ItemNotFound.
        """
        return self._parts.trash.empty(None if items is None else list_names(items))

    def read(self, *, retry_failed: bool = False, progress: Callable[[int, int], object] | None = None) -> ReadReport:
        """Read the text in pictures (pages, screenshots, signs), so that `search(query=)` finds its words.

        Pictures that were read and have not changed since are not read again; what was read before an interrupt stays.
        With the setting `read=1`, `add`, `sync` and `catch_up` do it too. Takes seconds for a full page.

        retry_failed: also try pictures again that could not be read.
        progress: called with the number of pictures that were read, and of all to read.

        Raises MissingPackage, WeightsUnavailable, WriterBusy, WriteFailed.
        """
        return self._parts.reader.read(retry_failed, progress)

    def find_parts(
        self,
        finders: str | Iterable[str],
        *,
        retry_failed: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> FindReport:
        """Look for parts of pictures, so that `search(by=)` compares these.

        finders: one or several, of different kinds: "subject" (what a picture shows in front of its background),
            "regions" (of like colours; or "regions:slic", "regions:watershed"), "tiles" (a grid; "tiles:3" is finer),
            "pages" of PDFs, "frames" of films ("frames:2" takes two a second).
            Each picture is decoded once for all of them.
        retry_failed: also try pictures again that could not be read.
        progress: called with the number of pictures that were looked at, and of all to look at.

        Pictures in which a finder has looked and that have not changed since are not looked at again; what was found
        before an interrupt stays. Parts of the same kind by another finder are replaced.

        Raises UnknownPlugin, MissingPackage, WeightsUnavailable, BadQuery, WriterBusy, WriteFailed.
        """
        return self._parts.part_finder.find(list_finders(finders), retry_failed, progress)

    def parts(self, item: ItemName, kind: str | None = None) -> tuple[Part, ...]:
        """Return what was found in the picture of an item, each part with its place; kind: only parts of that kind.

        Raises ItemNotFound.
        """
        return self._parts.part_finder.read(self.get(item).id, kind)

    def measure(self, *, progress: Callable[[int, int], object] | None = None) -> int:
        """Measure how good pictures are that were added by an older nearkin, and return the number that was measured.

        `add` measures all others, and filters compare with that: `{"sharpness": {"$lt": .2}}` are blurred; `noise`,
        `exposure` (0 is black) and `contrast` go from 0 to 1 too. What can't be read is left out.

        progress: called with the number of pictures that were looked at, and of all to look at.
        """
        return self._parts.measurer.measure(progress)

    def _read_new(self, catch_up: bool) -> None:
        """Read the text in new pictures where the settings say so."""
        if self._config.read and catch_up:
            self._parts.reader.read()

    def failures(self) -> list[Failure]:
        """Return what could not be read, newest first."""
        return self._parts.items.read_failures()

    # ---- searching

    def search(
        self,
        picture: Picture | None = None,
        *,
        k: int | None = None,
        text: str | None = None,
        item: ItemName | None = None,
        vector: ArrayLike | None = None,
        mix: Sequence[tuple[Any, float]] | None = None,
        query: str | None = None,
        radius: float | None = None,
        where: Mapping[str, Any] | None = None,
        diversify: float | None = None,
        pool: int | None = None,
        within: SomeClusters = None,
        exclude: SomeClusters = None,
        per_cluster: int | None = None,
        group: bool = False,
        level: str | None = None,
        metric: str | None = None,
        exact: bool = False,
        at_least: str | float | None = None,
        rerank: str | None = None,
        by: str | None = None,
        region: Sequence[float] | None = None,
        space: str | None = None,
    ) -> Hits:
        """Find similar items.

        Give one of:
        picture: a path, bytes, a PIL image or a uint8 array (height, width, 3).
        text: a description of a picture, if the embedder reads words.
        item: an item by id, key or path; it is not among its own hits.
        vector: an array (dimension,).
        mix: several of these with weights; hits are unlike a part with a negative weight:
            `mix=[("a.jpg", 1), (retrieval.item(7), .5), ("b.jpg", -1)]`.

        Give instead, or in addition:
        query: words to find in the texts, metadata and file names of items, and in pictures (see `read`). Scores are
            those of BM25; together with one of the above both rankings are fused.

        How many hits:
        k: the number of hits (default 20), best first; fewer if fewer items exist.
        radius: all items with at least this score; with `k`, the best k of them.

        Which hits:
        where: a filter, see `retrieval.filters`; `{"$sees": "dog"}` asks what is seen in the picture.
        within, exclude: only or no items of these clusters or partitions; one or several, by id, by name or as records.
            A name that several clusters share stands for all of them; `within=[]` has no hits.
        per_cluster: at most this many hits from one cluster of `level` (default "fine").
        at_least: how sure a hit has to be: "certain", "likely" or "possible" (see `Hit.certainty`), or a number such as
            1000 for hits that are nearer than all but 1 in 1,000 unrelated items. Takes 50 items.
        diversify: 0 to 1; prefers variety to similarity, among the `pool` nearest items (default 4 k, at least 64).
        group: also return in `groups` the k (default 10) clusters of `level` (default "medium") with the best hits,
            each with its best hits (`per_cluster`, default 5).
        metric: another metric than that of the space, between the vectors as they were added: "cosine", "ip" (inner
            product), "l2" ("euclidean"), "l1" ("manhattan"), "minkowski:P" with a P of at least 1. Scores of distances
            are negated: `radius=-3` finds items at a distance of at most 3.
        exact: find the nearest for certain; `proof` of the hits then says that no other item can be nearer. The first
            dozen of such searches compare every vector, later ones a few in a hundred.
        rerank: "diffusion" ranks what is around the nearest items by how much of what is near to the query is near to
            it, over the stored graph. Scores are its shares.
        by: compare parts of pictures, of a kind that `find_parts` has looked for, such as "subject". Each hit is an
            item, found by that `part` of it which is nearest; filters and clusters are about items. For kinds such as
            "subject" the own part of `picture` or `item` asks, else all of it.
        region: a box (x, y, width, height) in pixels of the upright `picture`, or of that of `item`, which asks alone.
        space: the space to search (default: the current one).

        Raises BadQuery, BadVector, BadFilter, ItemNotFound, ClusterNotFound, SpaceNotFound, UnreadablePicture,
        NoTextTower.
        """
        parts = QueryParts(picture, text, item, vector, mix)
        where = self._resolve(where, space)
        options = Options(k, radius, where, diversify, query, within, exclude, per_cluster, level, metric, pool, exact)
        options = options._replace(at_least=at_least, rerank=rerank, by=by, region=region)
        return self._parts.search.find(parts, options, group=group, space=space)

    def search_many(
        self,
        vectors: ArrayLike,
        *,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        metric: str | None = None,
        exact: bool = False,
        space: str | None = None,
    ) -> Neighbours:
        """Return the k nearest items of each of n vectors, as arrays.

        `ids` is int64 (n, k), with -1 where fewer than k items exist; `scores` is float32 (n, k); `position` is the
        change number of the answer; `proved` says that no other item can be nearer. `metric`, `exact`: as for `search`.
        Raises BadQuery, BadVector, BadFilter, SpaceNotFound.
        """
        return self._parts.search.find_many(vectors, k, self._resolve(where, space), metric, space, exact)

    # ---- clusters

    def clusters(
        self,
        level: str = "medium",
        *,
        loose: str = "apart",
        since: int | None = None,
        hidden: bool = False,
        of: str | None = None,
    ) -> Clusters:
        """Return the clusters of a level, the largest first.

        level: one of the tree's ("coarse", "medium", "fine"), which are nested, or the name of a clustering of your own
            (`make_clustering`).
        loose: clusters of the tree have at least five items; an item in no cluster is loose. "apart" leaves loose items
            out, "nearest" puts each of them into the nearest cluster.
        since: a change number; items that were added after it count as `new` (default: the items of the last update).
        hidden: also return those that were hidden (`hide`).
        of: the kind of parts that were found (`find_parts`), such as "regions": clusters of these in place of pictures.
            They keep ids and names in the same way; their members are ids of parts, `items()` are the pictures that
            hold them, `parts()` the parts with their boxes.

        `add` and `catch_up` bring clusters up to date. While another process writes they may be behind: `as_of` is the
        change number that they have reached. Raises BadQuery.
        """
        return self._browser.list_clusters(level, loose, since, hidden, of)

    def cluster(self, cluster: int | str, *, since: int | None = None) -> Cluster:
        """Return one cluster, of pictures or of parts, by its id, or by a name that no other cluster has.

        Raises ClusterNotFound, whose message names the clusters that replaced it; BadQuery if several clusters have the
        name.
        """
        return self._browser.read_cluster(cluster, since)

    def loose(self, level: str = "medium", *, page: int = 1, of: str | None = None) -> tuple[Loose, ...]:
        """Return the items that are in no cluster of a level, a hundred a page, each with the cluster nearest to it.

        of: the parts of a kind that are in none, each with its item, as for `clusters`. Raises BadQuery.
        """
        return self._browser.list_loose(level, page, of)

    def cut(self, count: int | None = None, threshold: float | None = None, *, of: str | None = None) -> Clusters:
        """Cut the cluster tree into `count` clusters, or at the similarity `threshold`.

        Few clusters are those of medium joined, many those taken apart. Clusters of fewer than five items are loose; if
        there are not `count` others, `note` tells. of: cut the tree of parts of a kind, as for `clusters`. Raises
        BadQuery.
        """
        return self._browser.cut(count, threshold, of)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions of mini-batch k-means, the largest first; every item is in exactly one."""
        return self._browser.list_partitions()

    def cluster_events(self, since: int = 0, *, of: str | None = None) -> tuple[ClusterEvent, ...]:
        """Return what happened to clusters after a change number, such as a report's `change`; oldest first.

        of: to clusters of parts of a kind, as for `clusters`. Raises BadQuery.
        """
        return self._browser.list_events(since, of)

    def outliers(self, n: int = 20, *, of: str | None = None) -> tuple[Outlier, ...]:
        """Return the n items that are least similar to all others, each with the reason; the least similar first.

        of: the parts of a kind that are, each with its item, as for `clusters`. Raises BadQuery.
        """
        return self._browser.list_outliers(n, of)

    # ---- the graph of neighbours

    def path_between(self, a: ItemName, b: ItemName, *, kind: str = "widest") -> NeighbourPath:
        """Return a way from one picture to another, over pictures that are nearest neighbours of each other.

        kind: "widest", whose weakest link is as strong as that of any way can be, by as few pictures as that takes; or
            "shortest", with the least sum of angles.

        Raises ItemNotFound; BadQuery, also if no way leads from one to the other.
        """
        return self._parts.explorer.find_path(a, b, kind)

    def around(self, items: ItemName | Iterable[ItemName], hops: int = 2, *, k: int = 20) -> Hits:
        """Return what lies around some pictures as the collection sees it: the `k` that a random walk meets most often.

        The walk begins at `items` again and again, goes from neighbour to neighbour, and never further than `hops`
        steps (at most 20). The score is its share of the time. Raises ItemNotFound, BadQuery.
        """
        return self._parts.explorer.list_around(items, hops, k)

    def summary(
        self,
        k: int = 20,
        *,
        where: Mapping[str, Any] | None = None,
        within: SomeClusters = None,
        continue_from: Iterable[ItemName] | None = None,
    ) -> Summary:
        """Choose `k` pictures that stand for all: each picture has one like it among them, in looks and in time.

        where, within: stand for these pictures only, as for `search`. continue_from: items that are chosen already; the
        others are chosen to go with them. Of equal pictures one counts. Of more than 8,192, as many are looked at.

        Raises BadQuery, BadFilter, ItemNotFound, ClusterNotFound.
        """
        return self._parts.explorer.summarize(k, self._resolve(where), within, continue_from)

    # ---- what is learned from labels

    def learn(
        self,
        name: str,
        *,
        method: str = "auto",
        labels: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Lesson:
        """Learn to tell pictures apart by labels, and keep that under a name, for `suggest`.

        name: of what is learned. Clusters that a person called so are labels: their pictures are it, and those of other
            clusters with such names are not. What `accept` and `reject` say counts before.
        method: tree, svm, forest, logistic, knn or centroid, any member of `nearkin.classifiers`; "auto": logistic, or
            what cross-validation over the labels finds better.
        labels: tell apart the values of this metadata key, the clusters with names of this level or clustering, or with
            "folder" the folders of the files.
        settings: of the method, such as {"C": 1.0}.

        It learns from the vectors of the current space, each averaged with those of its nearest neighbours, so that
        pictures without labels count too. Labels outlive a change of the space; new labels and pictures are taken into
        account whenever somebody asks. Learn again to choose the method again.

        Raises UsageError (no labels, one class only, one label a class), UnknownPlugin, BadSetting.
        """
        return self._parts.lessons.learn(name, method, labels, settings)

    def suggest(
        self,
        name: str,
        k: int = 20,
        *,
        value: str | None = None,
        at_most_wrong: float | None = None,
        where: Mapping[str, Any] | None = None,
    ) -> Suggestions:
        """Return what pictures without a label may be, the surest first, and up to `k` that would teach most.

        value: only suggest this class. where: only these pictures.
        at_most_wrong: only as many as may be suggested for at most this share of them to be wrong, on average, such as
            .02. That is tested on 150 labels or more, and holds if these are of pictures drawn at random, rather than
            of the surest.

        Raises LessonNotFound, BadQuery, BadFilter, UsageError (nothing can be learned any more, or promised yet).
        """
        return self._parts.lessons.suggest(name, k, at_most_wrong, value, self._resolve(where))

    def accept(self, name: str, items: ItemName | Iterable[ItemName], *, value: str | None = None) -> int:
        """Say that pictures are what a lesson is about, or of one of its classes. Return the decision's id, for `undo`.

        Raises ItemNotFound, UsageError (a picture has another label).
        """
        return self._parts.lessons.label(name, items, value, True)

    def reject(self, name: str, items: ItemName | Iterable[ItemName], *, value: str | None = None) -> int:
        """Say that pictures are not what a lesson is about, or not of one of its classes. See `accept`."""
        return self._parts.lessons.label(name, items, value, False)

    def doubtful_labels(self, name: str, k: int = 20) -> tuple[Suggestion, ...]:
        """Return up to `k` pictures whose labels are likely wrong, the most doubtful first, with what is likelier.

        Each label is compared with the answer of a classifier that learned from the others (confident learning,
        Northcutt et al., 2021). Raises LessonNotFound, UsageError.
        """
        return self._parts.lessons.find_doubtful(name, k)

    def lessons(self) -> tuple[Lesson, ...]:
        """Return all that is learned, by name, as good as it is now."""
        return self._parts.lessons.list_lessons()

    def map(
        self,
        *,
        where: Mapping[str, Any] | None = None,
        rebuild: bool = False,
        build: bool = True,
        progress: Callable[[int, int, str], object] | None = None,
    ) -> CollectionMap:
        """Return a place for every item with a vector, near to what it is like.

        The first call lays all out (100,000 take minutes); from then on an item keeps its place, and new ones come to
        lie among their neighbours. Once there are more than twice as many, all are laid out anew and turned to lie as
        before.

        where: return only the items that match a filter; those of the others stay where they are, too.
        rebuild: lay all out anew. build: with False, return an empty map where all would have to be laid out.

        Raises MissingPackage, BadFilter.
        """
        return self._parts.mapper.read(self._resolve(where), rebuild, build, progress)

    # ---- pictures put together

    def align(self, a: ItemName, b: ItemName, *, model: str = "homography") -> Alignment:
        """Return how a picture lies on another, to a fraction of a pixel, with `difference()` as a picture.

        model: similarity (turned, scaled, shifted), affine, or homography (seen from elsewhere, or a plane).

        Raises ItemNotFound, UnreadablePicture, MissingPackage, BadQuery; UsageError if nothing shows that they overlap.
        """
        return self._parts.workshop.align(a, b, model)

    def stitch(self, items: Iterable[ItemName]) -> Stitched:
        """Put pictures together that overlap, and tell which don't; the answer has the picture as `image()`.

        Crops, scans and shots of a camera that was moved along are laid side by side, to a fraction of a pixel; of a
        camera that was turned, OpenCV's stitcher makes a panorama. Takes up to 50 pictures.

        Raises ItemNotFound, UnreadablePicture, MissingPackage; UsageError if none overlap.
        """
        return self._parts.workshop.stitch(list_names(items))

    def fuse(self, items: Iterable[ItemName], *, kind: str = "median") -> Image:
        """Return pictures of one scene as one, of the size of the first, on which the others are laid.

        kind: "median" leaves out what only one of three or more shows (a mark, noise, somebody who walks by);
            "sharpest" takes each part from the picture that shows it most sharply, as of a focus series.

        Raises ItemNotFound, UnreadablePicture, MissingPackage, BadQuery; UsageError for one that shows something else.
        """
        return self._parts.workshop.fuse(list_names(items), kind)

    def denoise(self, item: ItemName) -> Image:
        """Return a picture with less noise, as much as is measured in it. Its file stays as it is.

        Raises ItemNotFound, UnreadablePicture, MissingPackage.
        """
        return self._parts.workshop.denoise(item)

    # ---- names of clusters

    def rename(self, cluster: int | str, name: str | None) -> Cluster:
        """Give a cluster a name, which it keeps as pictures come and go; None restores the automatic name.

        cluster: its id, or its current name if no other cluster has it. Raises ClusterNotFound, UsageError.
        """
        return self._browser.rename(cluster, name)

    def recluster(self) -> Clusters:
        """Build graph and tree again, of pictures and of parts, and choose the levels again. Clusters that remain keep
        their ids."""
        self._browser.recluster()
        return self.clusters()

    # ---- corrections of clusters

    def merge_clusters(self, a: int | str, b: int | str) -> int:
        """Join two clusters of one level for good, by id or name. Return the decision's id, for `undo`.

        Like every correction, it outlives new pictures, `recluster` and a change of the model; pictures that come later
        go where the corrected clusters say. Of two that contradict each other the later one holds, and `corrections`
        tells what of the other does not. Clusters of parts are corrected as well, by the ids of parts in place of those
        of items. Raises ClusterNotFound, UsageError.
        """
        return self._parts.corrector.merge(a, b)

    def split_cluster(self, cluster: int | str, into: Sequence[Iterable[ItemName]]) -> int:
        """Take a cluster apart into one with each group of its items. Return the decision's id, for `undo`.

        into: groups of items, or one group that is taken out. Items of no group go with the one they are most like. A
        part of fewer than five items is loose. Raises ClusterNotFound, ItemNotFound, UsageError.
        """
        return self._parts.corrector.split(cluster, into)

    def move_to_cluster(self, items: ItemName | Iterable[ItemName], cluster: int | str) -> int:
        """Put items into a cluster. Return the decision's id, for `undo`.

        Raises ItemNotFound, ClusterNotFound, UsageError.
        """
        return self._parts.corrector.move(items, cluster)

    def keep_together(self, items: Iterable[ItemName]) -> int:
        """Keep items in one cluster of each level: that which holds most of them. Return the decision's id, for `undo`.

        Raises ItemNotFound, UsageError.
        """
        return self._parts.corrector.keep_together(items)

    def keep_apart(self, a: ItemName, b: ItemName) -> int:
        """Keep two items in different clusters on every level. Return the decision's id, for `undo`.

        A cluster that holds both is taken apart where their branches of the tree meet. Raises ItemNotFound, UsageError.
        """
        return self._parts.corrector.keep_apart(a, b)

    def hide(self, cluster: int | str) -> int:
        """Leave a cluster out of `clusters`; its items stay in it and are found. Return the decision's id, for `undo`.

        Raises ClusterNotFound, UsageError.
        """
        return self._parts.corrector.hide(cluster)

    def corrections(self) -> tuple[Correction, ...]:
        """Return the corrections of clusters that were not undone, in order, each with what of it does not hold."""
        return self._parts.corrector.list_corrections()

    # ---- named clusterings

    def make_clustering(
        self,
        name: str,
        method: str = "kmeans",
        *,
        k: int | None = None,
        threshold: float | None = None,
        settings: Mapping[str, Any] | None = None,
        sample: int | None = None,
        once_per_copy: bool = False,
        without_outliers: float = 0.0,
        progress: Callable[[int, int, str], object] | None = None,
    ) -> NamedClustering:
        """Cluster the items of the current space by a method of your choice, and store the result under a name.

        method: kmeans, hierarchical, density, deep ..., any member of `nearkin.clusterers` that can be kept.
        k: the number of clusters, for methods that take it.
        threshold: the distance at which merging stops, for methods that take it.
        settings: other parameters of the method's class in `indexers.clusterers`.
        sample: fit to at most this many items, spread so that small groups are represented.
        once_per_copy: fit to one of several near-identical items (cosine .98).
        without_outliers: the share of items, those least like all others, that are left out of the fit and stay loose.

        The fitted model assigns all other items to clusters, also new items as they are added. The name is a level like
        those of the tree: `clusters(name)`, `search(per_cluster=2, level=name)`. Its clusters have ids for `cluster`,
        `within` and `rename`, and exports have a column of that name. If a clustering of that name exists, it is fitted
        again, and clusters that remain keep their ids.

        Raises BadSetting, BadQuery, UnknownPlugin, MissingPackage, UsageError (too few items, and whatever else the
        method refuses), WriterBusy.
        """
        return self._parts.clusterings.make(
            name,
            method,
            k=k,
            threshold=threshold,
            settings=settings,
            sample=sample,
            once_per_copy=once_per_copy,
            without_outliers=without_outliers,
            progress=progress,
        )

    def refresh_clustering(
        self, name: str, *, progress: Callable[[int, int, str], object] | None = None
    ) -> NamedClustering:
        """Fit a clustering again, to the current items. Clusters that remain keep their ids and names.

        Raises ClusteringNotFound, and what `make_clustering` raises.
        """
        return self._parts.clusterings.refresh(name, progress)

    def clusterings(self) -> tuple[NamedClustering, ...]:
        """Return all named clusterings, with their age and how far the collection has drifted from each."""
        return self._parts.clusterings.list_all()

    def clustering(self, name: str) -> NamedClustering:
        """Return one clustering. Raises ClusteringNotFound."""
        return self._parts.clusterings.read(name)

    def drop_clustering(self, name: str) -> None:
        """Delete a clustering; the tree and the pictures stay. Raises ClusteringNotFound."""
        self._parts.clusterings.drop(name)

    def evaluate(
        self,
        *,
        labels: str | None = None,
        methods: Sequence[str | tuple[str, Mapping[str, Any]]] = ("kmeans",),
        k: int | None = None,
        spaces: str | Sequence[str] | None = None,
        draws: int = 3,
        sample: int = evaluation.SAMPLE,
        random_state: int = 0,
        progress: Callable[[int, int, str], object] | None = None,
    ) -> Evaluation:
        """Compare clusterings and embedders: the three levels, the partitions, named clusterings and `methods`.

        labels: a metadata key whose values (texts, numbers, true and false) say which items belong together. Agreement
            and retrieval are measured on the items that have a value.
        methods: clusterers by name, or with parameters: `("kmeans", {"n_init": 10})`.
        k: the number of clusters for methods that need it (default: the number of labels, else that of medium).
        spaces: one or several by name (default: the current one). All are measured on the items that all of them have.
        draws: to measure stability, each clustering is repeated this many times without a random fifth of the items,
            and compared with the clustering of all items. 0 leaves this out.
        sample: at most this many items, drawn at random, are clustered.
        progress: called with steps done, steps in all, and the current step.

        Each method runs in a separate process; a method that fails is listed with the reason.

        Raises BadQuery (no such key, one label only, k above the items, draws below 0), UnknownPlugin, SpaceNotFound,
        UsageError (nothing to judge).
        """
        from retrieval.evaluation.evaluator import Evaluator

        request = evaluation.EvaluationRequest(
            labels, evaluation.parse_methods(methods), k, spaces, draws, sample, random_state
        )
        return Evaluator(self._catalogue, self._spaces, self._browser).evaluate(request, progress)

    # ---- duplicates

    def duplicates(
        self,
        threshold: float = SAME,
        *,
        rule: str = "kept",
        prefer: str | None = None,
        compare: bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[DuplicateGroup, ...]:
        """Return groups of duplicates, the largest first, each with the item to keep and why.

        Duplicates are files with the same bytes, with the same pixels, or with the same picture resized, recompressed,
        cropped, mirrored, rotated a little, framed or written on. Other views of a scene and other pictures of a burst
        are no duplicates. Items whose files have vanished are left out; each group lists them as `missing`.

        threshold: the lowest score of a proof, 0 to 1.
        rule: in a group each item is a verified duplicate of the one to keep ("kept"), of every other item ("every
            pair"), or of at least one other item ("connected").
        prefer: what to keep first: a format ("heic"), a folder or "oldest".
        compare: compare new pictures with all others first. With False, and in a collection that can only be read, the
            answer comes at once from earlier comparisons. No two pictures are compared twice.

        Pictures about which a person has decided are in no group together. Raises BadQuery, WriterBusy, MissingPackage.
        """
        return self._parts.duplicates.find(threshold, rule=rule, prefer=prefer, compare=compare, progress=progress)

    def duplicates_of(self, picture: Picture | DecodedPicture | int, *, threshold: float = SAME) -> tuple[Match, ...]:
        """Return the items that a picture is a duplicate of, the most certain first; the picture is not added.

        Items whose files have vanished are left out. The same file is of the kind "same bytes"; it and equal pixels
        have a score of 1. Last come items that show the picture, or that it shows, as a part: of the kinds "inside
        another picture" and "photo of a print", which are proven too, and replace nothing.

        picture: as for `search`, or an item's id, or what `decode` of `indexers.pictures.images` returned. Shots of one
            burst are told from copies by what a file says: pixels alone say less. Raises what `search` raises.
        """
        return self._parts.duplicates.find_matches(picture, threshold)

    def overlay(self, a: ItemName, b: ItemName) -> Image:
        """Return two pictures side by side, and the second laid over the first with the differences in colour.

        Raises ItemNotFound, UnreadablePicture.
        """
        return self._parts.duplicates.overlay(a, b)

    def calibrate(self, pictures: int = 100) -> float:
        """Measure how similar two vectors must be for a comparison of their pictures, and store this for the space.

        Embedders that come with nearkin are calibrated already. Raises UsageError for too few pictures.
        """
        return self._parts.duplicates.calibrate(pictures)

    def decide(
        self, group: DuplicateGroup, keep: ItemName, *, merge: bool | Mapping[str, Any] = False
    ) -> tuple[int, ...]:
        """Decide to keep one item of a group, which settles the group. Return the ids of the decisions, for `undo`.

        merge: let it take over what the others say, as `plan_merges` lists it; one decision then undoes all of it.

        Nothing is deleted. Raises ItemNotFound; UsageError, also where the items differ and you have to choose first:
        nothing is decided then.
        """
        return self._parts.decisions.keep(group, keep, merge)

    def plan_merges(
        self, groups: Iterable[DuplicateGroup], merge: bool | Mapping[str, Any] = True
    ) -> tuple[Merge, ...]:
        """Return what the item that is kept of each group would take over from the others. Nothing is changed.

        merge: rules by key, where the usual ones don't do: "union" (of lists), "first" (that of the item that is kept,
        else of the next), "longest" (text), "earliest" (date), "greatest" (number), "own" (nothing is taken over),
        "ask" (where they differ you have to choose), or the id of the item whose value is taken. Keys are those of
        metadata; `text`; `taken_at` with its time zone; `place` (latitude, longitude, altitude); `address` (city,
        state, country); "*" stands for all keys that have no usual rule.

        By the usual rules tags, albums and other lists are joined, the greatest rating and favourite, the longest text,
        title and caption and the earliest date are taken; place, address, camera, creator, copyright and label are the
        first; `hidden` stays; of other keys you choose where they differ.

        Raises UsageError for an unknown rule or key, or a rule that does not fit the values.
        """
        return self._parts.decisions.plan(list(groups), merge)

    def not_duplicates(self, a: ItemName, b: ItemName) -> int:
        """Decide that two items are not duplicates. Return the decision's id, for `undo`."""
        return self._parts.decisions.decide("not duplicates", a, b)

    def keep_both(self, a: ItemName, b: ItemName) -> int:
        """Decide to keep two items although they are duplicates. Return the decision's id, for `undo`."""
        return self._parts.decisions.decide("keep both", a, b)

    def undo(self, decision: int) -> None:
        """Undo a decision about duplicates, with what was merged by it, a correction of clusters, or what was said of
        items for a lesson. Raises UsageError.

        What was changed since it was merged stays as it is.
        """
        self._parts.decisions.undo(decision)
        self._parts.corrector.apply()

    def stacks(
        self,
        kind: str | None = None,
        *,
        compare: bool = True,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[Stack, ...]:
        """Return stacks: pictures that belong together and are no copies, each with a cover and the reason.

        Series of shots that one camera has taken of one frame: burst, exposure bracket, focus series. Files of one
        exposure: raw + jpeg, raw + heic, heic + jpeg. A picture and what was made of it: edit, crop, screenshot, inside
        another picture. An item may be in stacks of several kinds. What files say of time and exposure, their names and
        what the pictures show have to agree.

        kind: only stacks of this kind.
        compare: compare new pictures with all others first, as for `duplicates`.

        Raises BadQuery, WriterBusy, MissingPackage.
        """
        return self._parts.stacks.find(kind, compare, progress)

    def choose_cover(self, stack: Stack, cover: ItemName) -> int:
        """Make an item the cover of its stack, also when pictures come to it. Return the decision's id, for `undo`.

        Raises ItemNotFound, UsageError.
        """
        return self._parts.stacks.choose_cover(stack, cover)

    def move_duplicates(
        self,
        groups: Iterable[DuplicateGroup],
        folder: str | PathLike[str],
        *,
        dry_run: bool = True,
        merge: bool | Mapping[str, Any] = False,
    ) -> tuple[Move, ...]:
        """Move the files of these groups, except those to keep, into a folder; by default only plan the moves.

        merge: let each item that is kept take over what those that move say, as `plan_merges` lists it.

        `undo_moves` moves them back, with the manifest in the folder (`manifest.jsonl`), and undoes what was merged.
        Nothing is deleted. Links, and files that have changed since they were added, are not moved. XMP sidecars move
        with their pictures. Raises UsageError, WriteFailed.
        """
        if not dry_run:
            self._catalogue.check_writable()
        return self._parts.mover.move(groups, folder, dry_run=dry_run, merge=merge)

    def undo_moves(self, manifest: str | PathLike[str]) -> tuple[Move, ...]:
        """Move back the files that a manifest lists, and undo what was merged with them.

        Raises UsageError, WriteFailed.
        """
        return self._parts.mover.undo(manifest)

    # ---- what programs propose

    def propose(
        self,
        kind: str,
        *,
        items: ItemName | Iterable[ItemName] | None = None,
        clusters: int | str | Iterable[int | str] | None = None,
        name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        reason: str = "",
        source: str = "",
    ) -> Proposal:
        """Propose a change, for a person to accept or reject: nothing else is written.

        kind: of duplicates "keep" (the first of the items), "not duplicates" or "keep both"; of clusters "merge" (two),
            "move" (items to one), "together" (items), "apart" (two items), "hide" or "rename" (to `name`); "metadata"
            of items, or "remove" items (`restore` brings them back).
        reason, source: why, and who proposes it.

        Raises UsageError, BadMetadata, ItemNotFound, ClusterNotFound.
        """
        return self._parts.proposals.propose(kind, items, clusters, name, metadata, reason, source)

    def proposals(self, state: str | None = "open") -> tuple[Proposal, ...]:
        """Return what was proposed, the newest first: "open", "accepted", "rejected", or with None all."""
        return self._parts.proposals.list_proposals(state)

    def accept_proposal(self, proposal: int) -> Proposal:
        """Carry out what was proposed. `decisions` of the answer are for `undo`.

        Raises UsageError if it is not open, and what the change itself raises; it is then open as before.
        """
        return self._parts.proposals.accept(proposal)

    def reject_proposal(self, proposal: int) -> Proposal:
        """Reject what was proposed. Raises UsageError if it is not open."""
        return self._parts.proposals.reject(proposal)

    # ---- spaces

    def spaces(self) -> tuple[SpaceInfo, ...]:
        """Return the spaces, each with its number of vectors."""
        return self._spaces.describe()

    def use(self, space: str, *, partial: bool = False) -> None:
        """Make a space the current one, at once and in every process that has the collection open.

        Raises SpaceNotFound; UsageError if the space lacks items that another space has, unless `partial`.
        """
        self._spaces.use(space, partial=partial)

    def drop_space(self, space: str) -> None:
        """Remove a space with its vectors and files. Raises SpaceNotFound, UsageError (the current one)."""
        self._spaces.drop(space)

    # ---- data out, and upkeep

    def export(
        self, path: str | PathLike[str], *, where: Mapping[str, Any] | None = None, vectors: bool = False
    ) -> int:
        """Write items with their clusters to a file. Return their number.

        path: .csv, .jsonl, .parquet or .npz. `vectors` adds the vectors of the current space to .parquet; .npz always
            has them, and only the items with a vector. `import_from` reads files with vectors.
        """
        condition = parse_filter(self._resolve(where))
        with self._catalogue.snapshot() as snapshot:
            return exporting.export_items(snapshot, self._current_space(), Path(path).expanduser(), condition, vectors)

    def to_pandas(self, *, where: Mapping[str, Any] | None = None) -> Any:
        """Return items as a pandas.DataFrame.

        There is a column for each field, each metadata key (`metadata.width` if a field has the same name), each level
        and each named clustering (cluster ids; <NA>: loose). Raises MissingPackage.
        """
        condition = parse_filter(self._resolve(where))
        with self._catalogue.snapshot() as snapshot:
            return exporting.build_frame(snapshot, self._current_space(), condition)

    def catch_up(self) -> int:
        """Bring every follower to the newest change. Return the number of that change."""
        self._spaces.view()
        self._spaces.settle(patient=False)
        self._read_new(not self._catalogue.is_read_only)
        return self.change()

    def change(self) -> int:
        """Return the newest change number."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.number

    def info(self) -> Info:
        """Return what the collection holds."""
        view = self._spaces.view()
        repairs = self._repairs + [repair for view in self._spaces.views for repair in view.followers.repairs]
        reads_words = view is not None and self._spaces.reads_words(view.space)
        space, kind = (view.space, view.index_kind) if view else (None, SCANNED)
        with self._catalogue.snapshot() as snapshot:
            info = read_info(snapshot, space, self._catalogue, self._config, repairs, reads_words, kind)
        return replace(info, work=self._parts.work.describe())

    def verify(
        self, *, repair: bool = False, pictures: bool = False, progress: Callable[[int, int], object] | None = None
    ) -> Report:
        """Compare catalogue, derived files and disk.

        repair: make derived files again that are wrong.
        pictures: read every picture's file, too, and list those that are missing, changed or unreadable. That reads
            everything once from its disk; pictures on the web are not fetched.
        progress: called with the number of items whose files were read, and of all.
        """
        if repair:
            self._catalogue.check_writable()
        followers = [view.followers for view in self._spaces.view_all()]
        result = audit.verify_collection(
            self._catalogue, followers, repair=repair, pictures=pictures, progress=progress
        )
        ok = not result.problems or result.is_repaired
        return Report(ok, tuple(result.problems), tuple(result.repaired), tuple(result.checked))

    def backup(
        self,
        folder: str | PathLike[str],
        *,
        overwrite: bool = False,
        progress: Callable[[int, int], object] | None = None,
    ) -> Backup:
        """Copy the collection to a folder, while others may write, and check the copy.

        It holds one moment of the database, the settings, and pictures that were sent to the server; other pictures
        stay where they are. `Collection.open(folder)` opens it, and makes what is derived again. A backup that is
        interrupted leaves nothing behind.

        overwrite: replace an earlier backup of this collection, once the new one is complete.
        progress: called with the number of pages of the database that are copied, and of all.

        Raises UsageError (something else is there), WriteFailed, CatalogueDamaged.
        """
        started, target = time.perf_counter(), Path(folder).expanduser().absolute()
        facts = back_up_catalogue(self._catalogue, target, overwrite=overwrite, progress=progress)
        vectors, size = sum(facts.vectors.values()), measure_folder(target)
        return Backup(str(target), facts.counts["items"], vectors, facts.change, size, time.perf_counter() - started)

    def _resolve(self, where: Mapping[str, Any] | None, space: str | None = None) -> Any:
        """Return a filter with the items that show them in place of the words of `$sees`."""
        return resolve_sight(where, lambda words: self._parts.search.find_seen(words, space))

    def _current_space(self) -> Space | None:
        view = self._spaces.current
        return view.space if view else None
