"""What can be asked of a collection: hits, families, items."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from indexers.catalogue import metadata as attributes
from indexers.catalogue.catalogue import Catalogue
from indexers.errors import BadQuery, BadVector, ClusterNotFound, UsageError
from indexers.types import Failure, Ids, Json, Neighbours, Vectors
from indexers.vectors.metrics import parse_metric
from retrieval.clusters import browse
from retrieval.config import Config
from retrieval.evaluation import request as evaluation
from retrieval.filters import parse_filter
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, Outlier, Partition
from retrieval.records.evaluation import Evaluation
from retrieval.records.items import Item, Page
from retrieval.records.reports import Info
from retrieval.records.search import Group, Hits
from retrieval.search import search as searching
from retrieval.search.query import Query
from retrieval.search.search import GROUPS, Options
from retrieval.spaces.info import read_info
from retrieval.spaces.spaces import Spaces
from retrieval.spaces.view import View, check_level

T = TypeVar("T")
Name = int | str
NAMES = (int, str, np.integer)  # one item; anything else stands for several
Within = int | Cluster | Partition | Sequence[int | Cluster | Partition] | None


class Answers:
    """The half of a collection that reads."""

    _catalogue: Catalogue
    _config: Config
    _spaces: Spaces

    @property
    def path(self) -> Path:
        """The collection's folder."""
        return self._catalogue.folder

    # ---- hits

    def search(
        self,
        picture: Any = None,
        *,
        k: int | None = None,
        text: str | None = None,
        item: Name | None = None,
        vector: ArrayLike | None = None,
        mix: Sequence[tuple[Any, float]] | None = None,
        query: str | None = None,
        radius: float | None = None,
        where: Mapping[str, Any] | None = None,
        diversify: float | None = None,
        pool: int | None = None,
        within: Within = None,
        exclude: Within = None,
        per_cluster: int | None = None,
        group: bool = False,
        level: str | None = None,
        metric: str | None = None,
        space: str | None = None,
    ) -> Hits:
        """What looks like this?

        One of: `picture` (path, bytes, PIL image, uint8 array (height, width, 3)); `text`, what is seen in it, where
        the embedder reads words; `item` (id or key; it does not answer itself); `vector` (dimension,); `mix`, weighted
        parts of any kind, negative weights push away: `mix=[("a.jpg", 1), (retrieval.item(7), .5), ("b.jpg", -1)]`.
        And/or `query`: words that an item's own text and metadata say (scores are BM25's; with both, of their ranks).

        `k` hits (20), best first; with `radius`, everything with at least that score, however much it is (or the best k
        of it). `where`: see `retrieval.filters`. `diversify`: 0 to 1, trades nearness for variety, choosing from so
        many of the nearest (`pool`; 4 k, at least 64). `within`, `exclude`: clusters or partitions, by id or as
        records, one or several. `per_cluster`: at most so many hits of one cluster of `level` ("fine"). `group=True`:
        the answer's `groups` are the k (10) clusters of `level` ("medium") that the best hits lie in, best first, each
        with its best hits (`per_cluster`, 5). Fewer than k exist: fewer come back.
        `metric`: another one than the space's own, between the vectors as they were added: "cosine", "ip" (the inner
        product), "l2" ("euclidean"), "l1" ("manhattan"), "minkowski:P" with any P from 1 on. Scores of distances are
        negated, so that `radius=-3` is everything at most 3 away. `space`: another one than the current.

        Raises BadQuery, BadVector, BadFilter, ItemNotFound, ClusterNotFound, SpaceNotFound, UnreadablePicture,
        NoTextTower.
        """

        chosen = None if metric is None else parse_metric(metric, BadQuery)
        how = Options(k, radius, where, diversify, query, within, exclude, per_cluster, level or "fine", chosen, pool)
        if group:
            how = searching.grouping(how, level)

        def ask(view: View) -> Hits:
            alone = query is not None and all(one is None for one in (picture, text, item, vector, mix))
            given: Json = {"text": text, "item": item, "vector": vector, "mix": mix, "metric": chosen}
            question = None if alone else Query(view, picture, **given)
            return searching.find(view, question, how, follow=space is None)

        found = self._ask(space, ask)
        if found is None:
            searching.check(how)
            check_level(how.level)
            if query is None and sum(one is not None for one in (picture, text, item, vector, mix)) != 1:
                raise BadQuery("search takes one of a picture, text=, item=, vector=, mix= and query=")
            return Hits((), self.change())
        if group:
            nothing: tuple[Group, ...] = ()
            groups = self._browse(lambda at: browse.grouped(at, found, how.level), nothing, space)
            return replace(found, groups=groups[: k or GROUPS])
        return found

    def search_many(
        self,
        vectors: ArrayLike,
        *,
        k: int = 10,
        where: Mapping[str, Any] | None = None,
        metric: str | None = None,
        space: str | None = None,
    ) -> Neighbours:
        """The k nearest items of each of n vectors: `ids` int64 (n, k), -1 where fewer exist; `scores` float32 (n, k);
        `position`, the change number that they belong to. `metric`: as for `search`."""
        chosen, follow = None if metric is None else parse_metric(metric, BadQuery), space is None
        found = self._ask(space, lambda view: searching.find_many(view, vectors, k, where, chosen, follow))
        if found is None:
            raise BadQuery("the collection is empty; add pictures or vectors first")
        return found

    def _ask(self, space: str | None, job: Callable[[View], T]) -> T | None:
        """The job done in the current space, whichever that is by then; None where there is none yet."""
        while True:
            view = self._spaces.view(space) if space is not None else self._spaces.current
            try:
                return job(view) if view else None
            except searching.SpaceSwitched:
                self._spaces.view()
            except BadVector:  # of the dimension of a space that another process has switched to?
                if space is not None or self._spaces.view() is view:
                    raise

    # ---- families

    def clusters(self, level: str = "medium", *, loose: str = "apart", since: int | None = None) -> Clusters:
        """Which families of pictures are there? Those of a level, the largest first: of the tree's ("coarse", "medium",
        "fine"), which are nested, or of a clustering of your own by its name (`make_clustering`).

        In the tree, fewer than five pictures are no cluster but loose; `loose="nearest"` puts each loose one into the
        cluster nearest to it. `since`: a change number, after which what came counts as `new`; by default it is
        what came last. Clusters follow the catalogue when `add` or `catch_up` bring them up to date; `as_of` says how
        far they are, if another process is just writing.
        """
        nothing = Clusters((), level, 0, 0)
        return self._browse(lambda at: browse.clusters(at, level, loose, since), nothing)

    def cluster(self, cluster: int, *, since: int | None = None) -> Cluster:
        """One cluster by its id. Raises ClusterNotFound, which says what became of it."""
        found = self._browse(lambda at: browse.cluster(at, cluster, since), None)
        if found is None:
            raise ClusterNotFound(f"there is no cluster {cluster}: the collection is empty")
        return found

    def loose(self, level: str = "medium", *, page: int = 1) -> tuple[Loose, ...]:
        """The items that are in no cluster of a level, a hundred on a page, each with the cluster nearest to it."""
        nothing: tuple[Loose, ...] = ()
        return self._browse(lambda at: browse.loose(at, level, page), nothing)

    def cut(self, count: int | None = None, threshold: float | None = None) -> Clusters:
        """The tree of clusters cut anywhere: into about `count` clusters, or at a similarity. Raises BadQuery."""
        browse.check_cut(count, threshold)
        return self._study(lambda at: browse.cut(at, count, threshold), Clusters((), None, 0, 0))

    def partitions(self) -> tuple[Partition, ...]:
        """The second clustering: mini-batch k-means, in which every item has its place; the largest first."""
        nothing: tuple[Partition, ...] = ()
        return self._study(browse.partitions, nothing, patient=False)

    def cluster_events(self, since: int = 0) -> tuple[ClusterEvent, ...]:
        """What has happened to clusters after a change number, such as a report's `change`; oldest first."""
        return self._browse(lambda at: browse.events(at, since), ())

    def outliers(self, n: int = 20) -> tuple[Outlier, ...]:
        """The items that fit nowhere, with the reason, the strangest first."""
        return self._study(lambda at: browse.outliers(at, n), ())

    def rename(self, cluster: int, name: str | None) -> Cluster:
        """Give a cluster a name, which stays with it whatever becomes of it; None takes it back."""
        if name is not None and (not attributes.is_text(name) or not name.strip()):
            raise UsageError(f"a name is a text that is not empty, or None; got {name!r}")
        self.cluster(cluster)
        with self._catalogue.transaction() as writing:
            writing.clusters.name(cluster, name.strip() if name else None, name is not None)
        return self.cluster(cluster)

    def recluster(self) -> Clusters:
        """Make graph and tree anew and choose the levels again; clusters that are still there keep their ids."""
        view = self._spaces.view()
        if view and view.tree:
            view.followers.restart(view.tree)
        return self.clusters()

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
        """Which clustering is good here, and which embedder? The clusters of the three levels, the partitions and
        `methods` (clusterers by name, or with parameters: `("kmeans", {"n_init": 10})`) beside each other.

        `labels`: a metadata key whose values (texts, numbers, true and false) say what belongs together; with it,
        agreement and retrieval are told too, of the items that have one. `k`: clusters for methods that are told how
        many; by default as many as there are labels, else as medium has. `spaces`: one or several by name; by default
        the current one. All are judged on the items that lie in all of them; at most `sample` of these, drawn at
        random, are clustered.

        `draws`: each clustering is made again without a random fifth of the items, so many times, and compared with the
        whole one's: its stability. That takes as many more fits; 0 leaves it out. Methods run in processes of their
        own; one that fails is told with its reason. `progress`: steps done, steps in all, what is being done.

        Raises BadQuery (no such key, one label only, k above the items, draws below 0), UnknownPlugin, SpaceNotFound,
        UsageError (nothing to judge).
        """
        from retrieval.evaluation import evaluate

        how = evaluation.EvaluationRequest(
            labels, evaluation.parse_methods(methods), k, spaces, draws, sample, random_state
        )
        evaluation.check_request(how)
        self._spaces.view()
        with self._catalogue.snapshot() as snapshot:
            plan = evaluate.plan_evaluation(snapshot, how)

        def gathered(space: str) -> evaluate.SpaceData | None:
            return self._study(lambda at: evaluate.gather_space_data(at, plan), None, patient=False, space=space)

        return evaluate.run_evaluation(plan, gathered, progress or (lambda done, total, what: None))

    def _browse(self, job: Callable[[browse.At], T], otherwise: T, space: str | None = None) -> T:
        """The job done in the current space, whose clusters are brought up to date first if they are behind."""
        view = self._spaces.view(space)
        if view is None:
            return otherwise
        with self._catalogue.snapshot() as snapshot:
            there = snapshot.clusters.clustering(view.space.id)
            behind = there is None or not snapshot.unchanged(there.position, view.space.id)
        if behind:
            view.followers.record(let_wait=True)
        with view.followers.current_snapshot() as snapshot:
            return job(browse.At(view, snapshot, self._pages(view)))

    def _study(
        self, job: Callable[[browse.At], T], otherwise: T, *, patient: bool = True, space: str | None = None
    ) -> T:
        """The job done with the tree itself."""
        view = self._spaces.view(space)
        if view is None:
            return otherwise
        view.followers.record(let_wait=patient)
        with view.followers.complete_snapshot(let_wait=patient) as snapshot:
            return job(browse.At(view, snapshot, self._pages(view)))

    def _pages(self, view: View) -> browse.Pages:
        def pages(items: Ids, page: int, size: int) -> Page:
            with view.followers.current_snapshot() as snapshot:
                return browse.paged(snapshot, view, items, page, size)

        return pages

    # ---- items

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

    def vectors(self, items: Iterable[Name], *, space: str | None = None) -> dict[int, Vectors]:
        """The vectors of items given by id, key or path, float32 (dimension,), by id; those that have none are left
        out. Raises ItemNotFound."""
        view = self._spaces.view(space)
        with self._catalogue.snapshot() as snapshot:
            wanted = snapshot.resolve(items)
            ids, rows = snapshot.vectors(view.space.id, wanted) if view else ((), ())
        return dict(zip(map(int, ids), rows, strict=True))

    def items(self, *, where: Mapping[str, Any] | None = None, cursor: int | None = None, limit: int = 100) -> Page:
        """A page of items in order of id; give its `cursor` to the next call."""
        if limit < 1:
            raise UsageError(f"limit is the number of items on a page, from 1 on; got {limit!r}")
        with self._catalogue.snapshot() as snapshot:
            rows = snapshot.page(parse_filter(where), cursor or 0, limit + 1)
            more = rows[limit - 1].id if len(rows) > limit else None
            return Page(tuple(Item.of(row) for row in rows[:limit]), more, snapshot.number)

    def count(self, *, where: Mapping[str, Any] | None = None) -> int:
        """How many items a filter holds for."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.count(parse_filter(where))

    def failures(self) -> list[Failure]:
        """What could not be read, newest first."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.failures()

    def info(self) -> Info:
        """What the collection holds."""
        view = self._spaces.view()
        repairs = [what for one in self._spaces.views for what in one.followers.repairs]
        words = view is not None and self._spaces.reads_words(view.space)
        with self._catalogue.snapshot() as snapshot:
            return read_info(snapshot, view.space if view else None, self.path, self._config, repairs, words)

    def change(self) -> int:
        """The newest change number."""
        with self._catalogue.snapshot() as snapshot:
            return snapshot.number
