"""The collection: all that a user can call. What happens is written in the rooms that it hands each call to."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from threading import Lock
from typing import Any, NoReturn, Self, overload

from numpy.typing import ArrayLike
from PIL.Image import Image

from indexers import audit
from indexers.catalogue.catalogue import Catalogue
from indexers.embedders.base import Embedder
from indexers.errors import CollectionClosed, CollectionNotFound
from indexers.matching.verification import SAME
from indexers.types import Failure, Neighbours, Space, Vectors
from retrieval import config as configuration
from retrieval.checks import ItemName, check_calls, is_item_name, list_names
from retrieval.clusters.browser import ClusterBrowser
from retrieval.clusters.named import NamedClusterings
from retrieval.duplicates.decisions import DuplicateDecisions
from retrieval.duplicates.finder import DuplicateFinder
from retrieval.duplicates.moving import DuplicateMover
from retrieval.evaluation import request as evaluation
from retrieval.filters import parse_filter
from retrieval.items.adding import Adder, Metadata, Roots, Watch, ignore_progress
from retrieval.items.items import Items
from retrieval.items.pictures import PictureLoader
from retrieval.items.sources import Picture
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier, Partition
from retrieval.records.duplicates import DuplicateGroup, Match, Move
from retrieval.records.evaluation import Evaluation
from retrieval.records.items import VECTOR, Item, Page
from retrieval.records.reports import AddReport, Info, Report, SpaceInfo, SyncReport
from retrieval.records.search import Hits
from retrieval.search.search import Options, QueryParts, Search
from retrieval.spaces.embedder_names import check_name, embedder_setting
from retrieval.spaces.info import read_info
from retrieval.spaces.spaces import Spaces
from retrieval.transfer import exporting, importing

log = logging.getLogger("nearkin")

AnyCluster = int | str | Cluster | Partition
"""A cluster by its id, its name, or as a record."""


class Parts:
    """What a collection is composed of, over one open database."""

    def __init__(self, catalogue: Catalogue, config: configuration.Config, embedder: str | Embedder | None) -> None:
        self.process, self.catalogue = os.getpid(), catalogue
        self.spaces = spaces = Spaces(catalogue, config, embedder)
        self.pictures = PictureLoader(catalogue, spaces)
        self.items, self.adder = Items(catalogue, spaces), Adder(catalogue, spaces)
        self.browser = ClusterBrowser(catalogue, spaces, self.pictures)
        self.search = Search(catalogue, spaces, self.browser, self.pictures)
        self.clusterings = NamedClusterings(catalogue, spaces)
        self.duplicates = DuplicateFinder(catalogue, spaces, config, self.pictures)
        self.mover, self.decisions = DuplicateMover(catalogue, self.items), DuplicateDecisions(catalogue)


WRITING = frozenset(
    (
        *("add", "add_vectors", "add_texts", "import_from", "fill", "sync", "retry_failed", "calibrate"),
        *("update", "update_all", "remove", "rename", "recluster", "use", "drop_space"),
        *("make_clustering", "refresh_clustering", "drop_clustering"),
        *("decide", "not_duplicates", "keep_both", "undo", "undo_moves"),
    )
)
"""The methods that always write: of a collection that may only be read, they are refused before they begin."""


@check_calls
class Collection:
    """Pictures, their vectors and all that follows from them, in one folder.

    Open it with `Collection.open`; use it as a context manager or `close` it: that saves what makes the next opening
    fast (nothing is lost without it). A collection may be used from several threads at once, and opened by several
    processes: any number of them read, one at a time writes. One whose folder can't be written (another user's, a
    read-only mount, a snapshot) is opened to be read: what writes raises CollectionReadOnly.
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
                f"the collection in {self.path} is closed; open it again: Collection.open({str(self.path)!r})"
            )
        if method in WRITING:
            self._catalogue.check_writable()

    @property
    def _parts(self) -> Parts:
        """The parts, opened anew if another database has taken the place of the open one, or in a forked process."""
        if not self._opened.catalogue.is_current():
            with self._opening:
                if not self._opened.catalogue.is_current():
                    self._reopen()
        return self._opened

    def _reopen(self) -> None:
        earlier = self._opened
        self._opened = Parts(earlier.catalogue.reopen(), self._config, self._embedder)
        if earlier.process == self._opened.process:
            earlier.spaces.release()
        if earlier.process == self._opened.process and not earlier.catalogue.is_read_only:
            self._repairs.append("another database was put in the place of the open one; it was opened anew")
            log.warning("%s: %s", self.path, self._repairs[-1])

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
        cls, path: str | PathLike[str], *, create: bool = False, embedder: str | Embedder | None = None, **settings: Any
    ) -> Self:
        """Open the collection in the folder `path`.

        create: create the collection if there is none.
        embedder: what turns pictures into vectors, by name (default `lite0`) or an instance of your own. The collection
            remembers it; opening with an embedder that it does not have is an error (see `fill`).
        settings: see `retrieval.config.Config`; they override the environment (`NEARKIN_EF=200`) and the file
            `nearkin.toml` in the folder.

        Missing changes are replayed into derived files, broken files are rebuilt; `info().repairs` says so.

        Raises CollectionNotFound, SchemaTooOld, SchemaTooNew, CatalogueDamaged, UnsafeFileSystem, BadSetting,
        UnknownPlugin.
        """
        folder = Path(path).expanduser().resolve()
        config = configuration.load(folder, settings)
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
        """Save derived files that are behind, and release everything: no file stays open or mapped."""
        opened, self._is_closed = self._opened, True
        if opened.catalogue.is_current():  # else nothing of it is worth a file
            opened.spaces.close()
        opened.spaces.release()
        opened.catalogue.close()

    def isolate(self) -> None:
        """Decode pictures in processes of their own from now on, as the setting `isolated` does.

        For pictures that nobody can vouch for, such as those that a server receives.
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
            f"it there: Collection.open({str(self.path)!r})"
        )

    def __repr__(self) -> str:
        if self._is_closed:
            return f"<Collection {str(self.path)!r} (closed)>"
        space = self._current_space()
        return f"<Collection {str(self.path)!r} ({space.name if space else 'empty'})>"

    @property
    def path(self) -> Path:
        """The collection's folder."""
        return self._opened.catalogue.folder

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

        pictures: files, folders (with everything below them), globs, addresses (`zip://*.jpg::holiday.zip`); bytes, PIL
            images and uint8 arrays (height, width, 3), best with `keys`.
        metadata: one object for all, or one for each picture.
        keys: one for each picture; a known key gets the new picture.
        texts: one for each picture, found by `search(query=...)`.
        retry_failed: try files again that failed before and have not changed since.
        roots: folders in which files have to lie once all links are followed, for paths that somebody else names;
            addresses are refused then.
        catch_up: with False, followers that searching does not need wait for a later `catch_up()`.
        progress: called with a `Progress` as pictures are recorded.

        Known pictures cost next to nothing and have their metadata merged, later keys win. What can't be read is
        recorded as a failure, and tried again when the file changes.

        Raises WriterBusy, WriteFailed, BadMetadata, Unavailable (weights or packages), UsageError.
        """
        return self._parts.adder.add(
            pictures,
            metadata=metadata,
            keys=keys,
            texts=texts,
            retry_failed=retry_failed,
            roots=roots,
            catch_up=catch_up,
            progress=progress,
        )

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

        vectors: a None in a list stands for an item without a vector as yet, which filters and words find.
        keys: known keys get the new vector and have their metadata merged.
        replace: nothing of what known keys held before stays.

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
        """Add texts as items of their own, by the vectors that the embedder gives their words.

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
        """Add items with ready-made vectors from files, one transaction a batch; known keys are replaced. Every file is
        read to its end first: of one that is damaged, or of another kind, nothing is stored.

        Reads what `export` writes with vectors (.parquet, .npz), with everything it holds about the items; other
        Parquet files with a column of vectors named `vector`, of which `key`, `uri` or `image_path`, `text` or
        `caption` keep their meaning and the other columns become metadata; .npz with `vectors` and optionally `keys`,
        `uris`, `texts`; and folders of clip-retrieval (`img_emb`, `metadata`). A row without a key takes its URI. An
        empty collection takes embedder and metric from an export.

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
        """Fill a second space: embed every item with another embedder, from where its picture lies.

        Searches go on in the current space; `use` switches to the new one. If interrupted, call it again: only what is
        still missing is embedded.

        Raises what `add` raises; pictures that can't be read any more are in the report's failures.
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
        """Add what is new below these folders, and mark the locations that have vanished from them.

        check: read the content of known files again, whatever their size and time say.
        roots: as in `add`.

        Nothing is removed: an item without a location left stays, with `missing` set, until it comes back or
        `remove(where={"missing": True})`.
        """
        return self._parts.adder.sync(
            folders,
            metadata=metadata,
            retry_failed=retry_failed,
            check=check,
            roots=roots,
            catch_up=catch_up,
            progress=progress,
        )

    def retry_failed(self, *, roots: Roots = None, progress: Watch | None = None) -> AddReport:
        """Try every failure again; forget those whose file no longer exists.

        roots: as in `add`, for the files below these folders; others are tried wherever they lie.
        """
        return self._parts.adder.retry_failed(roots, progress)

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
        return self._parts.items.read_page(where, cursor, limit, page)

    def walk(self, *, where: Mapping[str, Any] | None = None) -> Iterator[Item]:
        """Yield every item that matches a filter, in order of id, reading a page at a time. Raises BadFilter."""
        return self._parts.items.walk(where)

    def count(self, *, where: Mapping[str, Any] | None = None) -> int:
        """Return the number of items that match a filter. Raises BadFilter."""
        return self._parts.items.count(where)

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
        """Merge metadata into an item's, or with `replace` put it in its place, and set the item's text.

        Raises ItemNotFound, BadMetadata, UsageError.
        """
        return self._parts.items.update(item, metadata, text, replace)

    def update_all(self, metadata: Mapping[str, Any], *, where: Mapping[str, Any]) -> int:
        """Merge metadata into every item that matches a filter, in one transaction. Return their number."""
        return self._parts.items.update_all(metadata, where)

    def remove(
        self, items: ItemName | Iterable[ItemName] | None = None, *, where: Mapping[str, Any] | None = None
    ) -> int:
        """Remove items by name, by filter, or those of the names that match the filter. Return their number.

        The files themselves are never touched. Raises ItemNotFound before anything is removed.
        """
        return self._parts.items.remove(items, where)

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
        within: AnyCluster | Sequence[AnyCluster] | None = None,
        exclude: AnyCluster | Sequence[AnyCluster] | None = None,
        per_cluster: int | None = None,
        group: bool = False,
        level: str | None = None,
        metric: str | None = None,
        space: str | None = None,
    ) -> Hits:
        """Find what looks like this.

        Ask with one of:
        picture: a path, bytes, a PIL image or a uint8 array (height, width, 3).
        text: words for what is seen in a picture, where the embedder reads words.
        item: an item by id or key; it is not among its own hits.
        vector: an array (dimension,).
        mix: weighted parts of any kind; negative weights push away:
            `mix=[("a.jpg", 1), (retrieval.item(7), .5), ("b.jpg", -1)]`.

        And/or with:
        query: words that an item's own text and metadata say. Scores are BM25's; together with one of the above both
            rankings are fused.

        How many:
        k: the number of hits (20), best first. If fewer exist, fewer come back.
        radius: everything with at least this score, however much it is (or the best k of it).

        Which:
        where: a filter, see `retrieval.filters`.
        within, exclude: clusters or partitions, by id, by name or as records, one or several.
        per_cluster: at most this many hits from one cluster of `level` ("fine").
        diversify: 0 to 1, trades similarity for variety, choosing from the `pool` nearest (4 k, at least 64).
        group: the hits' `groups` are the k (10) clusters of `level` ("medium") that hold the best hits, best first,
            each with its best hits (`per_cluster`, 5).
        metric: another metric than the space's, between the vectors as they were added: "cosine", "ip" (inner product),
            "l2" ("euclidean"), "l1" ("manhattan"), "minkowski:P" with any P of at least 1. Scores of distances are
            negated, so that `radius=-3` is everything at most 3 away.
        space: another space than the current one.

        Raises BadQuery, BadVector, BadFilter, ItemNotFound, ClusterNotFound, SpaceNotFound, UnreadablePicture,
        NoTextTower.
        """
        parts = QueryParts(picture, text, item, vector, mix)
        options = Options(k, radius, where, diversify, query, within, exclude, per_cluster, level, metric, pool)
        return self._parts.search.find(parts, options, group=group, space=space)

    def search_many(
        self,
        vectors: ArrayLike,
        *,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        metric: str | None = None,
        space: str | None = None,
    ) -> Neighbours:
        """Return the k nearest items of each of n vectors, as arrays.

        `ids` is int64 (n, k), -1 where fewer exist; `scores` float32 (n, k); `position` the change number that they
        belong to. `metric`: as for `search`. Raises BadQuery, BadVector, BadFilter, SpaceNotFound.
        """
        return self._parts.search.find_many(vectors, k, where, metric, space)

    # ---- clusters

    def clusters(self, level: str = "medium", *, loose: str = "apart", since: int | None = None) -> Clusters:
        """Return the clusters of a level, the largest first.

        level: one of the tree's ("coarse", "medium", "fine"), which are nested, or the name of a clustering of your own
            (`make_clustering`).
        loose: in the tree, fewer than five pictures are not a cluster but loose; "nearest" puts each loose item into
            the cluster nearest to it.
        since: a change number; what came after it counts as `new` (default: what came last).

        Clusters follow the catalogue when `add` or `catch_up` bring them up to date; `as_of` says how far they are if
        another process is writing at the moment. Raises BadQuery.
        """
        return self._browser.list_clusters(level, loose, since)

    def cluster(self, cluster: int | str, *, since: int | None = None) -> Cluster:
        """Return one cluster by its id, or by a name that it alone has.

        Raises ClusterNotFound, which says what became of it; BadQuery if several clusters have the name.
        """
        return self._browser.read_cluster(cluster, since)

    def loose(self, level: str = "medium", *, page: int = 1) -> tuple[Loose, ...]:
        """Return the items that are in no cluster of a level, a hundred a page, each with the cluster nearest to it."""
        return self._browser.list_loose(level, page)

    def cut(self, count: int | None = None, threshold: float | None = None) -> Clusters:
        """Cut the cluster tree anywhere: into about `count` clusters, or at a similarity. Raises BadQuery."""
        return self._browser.cut(count, threshold)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions of mini-batch k-means, the largest first; every item is in exactly one."""
        return self._browser.list_partitions()

    def cluster_events(self, since: int = 0) -> tuple[ClusterEvent, ...]:
        """Return what happened to clusters after a change number, such as a report's `change`; oldest first."""
        return self._browser.list_events(since)

    def outliers(self, n: int = 20) -> tuple[Outlier, ...]:
        """Return the n items that are least similar to any other, with the reason, the strangest first."""
        return self._browser.list_outliers(n)

    def rename(self, cluster: int | str, name: str | None) -> Cluster:
        """Give a cluster a name, which stays with it whatever becomes of it; None restores the automatic name.

        cluster: its id, or its present name if no other cluster has that. Raises ClusterNotFound, UsageError.
        """
        return self._browser.rename(cluster, name)

    def recluster(self) -> Clusters:
        """Build graph and tree again and choose the levels again; clusters that are still there keep their ids."""
        self._browser.recluster()
        return self.clusters()

    # ---- clusterings by name

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
        """Cluster the current space by a method of your choice, and keep the result under a name beside the tree.

        method: kmeans, hierarchical, density, deep ..., any member of `nearkin.clusterers` that can be kept.
        k: the number of clusters, for methods that take it.
        threshold: the distance at which merging stops, for methods that take it.
        settings: other parameters of the method's class in `indexers.clusterers`.
        sample: learn from at most this many items, spread so that small groups are among them.
        once_per_copy: copies (cosine .98) count once.
        without_outliers: the share of items, those farthest from everything, that are not learned from and stay loose.

        All other items are placed by the fitted model, and so are new items as they come. The name is a level like
        those of the tree: `clusters(name)`, `search(per_cluster=2, level=name)`; its clusters have ids for `cluster`,
        `within` and `rename`; exports have a column of that name. A name that exists is fitted again, and its clusters
        keep their ids where they stay the same.

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
        """Fit a clustering again to the items of now; clusters that are still there keep their ids and names.

        Raises ClusteringNotFound, and what `make_clustering` raises.
        """
        return self._parts.clusterings.refresh(name, progress)

    def clusterings(self) -> tuple[NamedClustering, ...]:
        """Return all clusterings by name, with their age and how far the collection has drifted from each."""
        return self._parts.clusterings.list_all()

    def clustering(self, name: str) -> NamedClustering:
        """Return one clustering. Raises ClusteringNotFound."""
        return self._parts.clusterings.read(name)

    def drop_clustering(self, name: str) -> None:
        """Forget a clustering; the tree and the pictures stay. Raises ClusteringNotFound."""
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
        """Compare clusterings and embedders: the three levels, the partitions and `methods` beside each other.

        labels: a metadata key whose values (texts, numbers, true and false) say what belongs together; agreement and
            retrieval are measured on the items that have one.
        methods: clusterers by name, or with parameters: `("kmeans", {"n_init": 10})`.
        k: the number of clusters for methods that need it (default: as many as labels, else as medium has).
        spaces: one or several by name (default: the current one). All are judged on the items that lie in all of them.
        draws: each clustering is made again this many times without a random fifth of the items and compared with the
            whole one's: its stability. 0 leaves that out.
        sample: at most this many items, drawn at random, are clustered.
        progress: called with steps done, steps in all, and the current step.

        Methods run in processes of their own; one that fails is listed with its reason.

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

        Duplicates are pictures of the same bytes or pixels in another container, or the same picture resized,
        recompressed, cropped, mirrored, rotated a little, framed, written on. Other views of a scene and other pictures
        of a burst are not.

        threshold: the lowest score of a proof, 0 to 1.
        rule: "kept" (each is a verified duplicate of the one to keep), "every pair", or "connected" (chains count).
        prefer: what to keep first: a format ("heic"), a folder or "oldest".
        compare: compare new pictures with all others first; with False, and of a collection that may only be read, the
            answer comes at once from what was compared before. Nothing is compared twice.

        What was decided about two pictures stays decided. Raises BadQuery, WriterBusy, MissingPackage.
        """
        return self._parts.duplicates.find(threshold, rule=rule, prefer=prefer, compare=compare, progress=progress)

    def duplicates_of(self, picture: Picture | int, *, threshold: float = SAME) -> tuple[Match, ...]:
        """Return the items that a picture is a copy of, the surest first; the picture is not added.

        picture: as for `search`, or an item's id. Raises what `search` raises.
        """
        return self._parts.duplicates.find_matches(picture, threshold)

    def overlay(self, a: ItemName, b: ItemName) -> Image:
        """Return two items' pictures side by side, and the second laid over the first with differences in colour.

        Raises ItemNotFound, UnreadablePicture.
        """
        return self._parts.duplicates.overlay(a, b)

    def calibrate(self, pictures: int = 100) -> float:
        """Measure the similarity of vectors from which on two pictures are worth a proof, and store it for the space.

        Known embedders come with such a figure. Raises UsageError for too few pictures.
        """
        return self._parts.duplicates.calibrate(pictures)

    def decide(self, group: DuplicateGroup, keep: ItemName) -> tuple[int, ...]:
        """Keep one item of a group: the group is settled. Return the decisions' ids, for `undo`. Nothing is deleted."""
        return self._parts.decisions.keep(group, keep)

    def not_duplicates(self, a: ItemName, b: ItemName) -> int:
        """Record that two items are not duplicates, whatever they look like. Return the decision's id, for `undo`."""
        return self._parts.decisions.decide("not duplicates", a, b)

    def keep_both(self, a: ItemName, b: ItemName) -> int:
        """Record that two items are duplicates and both are wanted. Return the decision's id, for `undo`."""
        return self._parts.decisions.decide("keep both", a, b)

    def undo(self, decision: int) -> None:
        """Take a decision back: the question comes up again. Raises UsageError."""
        self._parts.decisions.undo(decision)

    def move_duplicates(
        self, groups: Iterable[DuplicateGroup], folder: str | PathLike[str], *, dry_run: bool = True
    ) -> tuple[Move, ...]:
        """Move the files of these groups, all but the kept ones, into a folder; by default only say what would move.

        A manifest in the folder (`manifest.jsonl`) can bring them back: `undo_moves`. Nothing is deleted; links and
        files that have changed since are left alone. Raises UsageError, WriteFailed.
        """
        if not dry_run:
            self._catalogue.check_writable()
        return self._parts.mover.move(groups, folder, dry_run=dry_run)

    def undo_moves(self, manifest: str | PathLike[str]) -> tuple[Move, ...]:
        """Bring back the files that a manifest names. Raises UsageError, WriteFailed."""
        return self._parts.mover.undo(manifest)

    # ---- spaces

    def spaces(self) -> tuple[SpaceInfo, ...]:
        """Return the spaces, and how full each is."""
        return self._spaces.describe()

    def use(self, space: str, *, partial: bool = False) -> None:
        """Search that space from now on: one step, in every process that has the collection open.

        Raises SpaceNotFound; UsageError if the space lacks items that another one has, unless `partial`.
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

        path: .csv, .jsonl, .parquet (with `vectors`, those of the current space as well), or .npz, which holds the
            items that have a vector, always with it. Files with vectors can be read back with `import_from`.
        """
        with self._catalogue.snapshot() as snapshot:
            return exporting.export_items(
                snapshot, self._current_space(), Path(path).expanduser(), parse_filter(where), vectors
            )

    def to_pandas(self, *, where: Mapping[str, Any] | None = None) -> Any:
        """Return items as a pandas.DataFrame.

        One column a field, a metadata key (`metadata.width` where a field has that name), a level of clusters and a
        clustering by name (public ids; <NA>: loose). Raises MissingPackage.
        """
        with self._catalogue.snapshot() as snapshot:
            return exporting.build_frame(snapshot, self._current_space(), parse_filter(where))

    def catch_up(self) -> int:
        """Bring every follower to the newest change. Return the number of that change."""
        self._spaces.view()
        self._spaces.settle(patient=False)
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
        with self._catalogue.snapshot() as snapshot:
            return read_info(snapshot, view.space if view else None, self.path, self._config, repairs, reads_words)

    def verify(self, *, repair: bool = False) -> Report:
        """Compare catalogue, derived files and disk. With `repair`, mend what can be mended (derived files only)."""
        if repair:
            self._catalogue.check_writable()
        views = [self._spaces.view(space.name) for space in self.spaces()]
        result = audit.verify_collection(self._catalogue, [view.followers for view in views if view], repair=repair)
        ok = not result.problems or result.is_repaired
        return Report(ok, tuple(result.problems), tuple(result.repaired), tuple(result.checked))

    def _current_space(self) -> Space | None:
        view = self._spaces.current
        return view.space if view else None
