"""Browsing the clusters of a collection, brought up to date first where they lag behind the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import is_text
from indexers.errors import ClusterNotFound, UsageError
from indexers.types import Ids
from retrieval.clusters import browse
from retrieval.clusters.browse import Moment
from retrieval.clusters.cluster_names import find_automatic_name, resolve_cluster
from retrieval.items.pictures import PictureLoader
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, Outlier, Pager, Partition
from retrieval.records.items import Page
from retrieval.records.search import Group, Hits
from retrieval.spaces.spaces import Spaces
from retrieval.spaces.view import View

T = TypeVar("T")


class ClusterBrowser:
    """Reads the clusters of a collection. The methods are those of `Collection`, which documents them."""

    def __init__(self, catalogue: Catalogue, spaces: Spaces, pictures: PictureLoader) -> None:
        self._catalogue, self._spaces, self._pictures = catalogue, spaces, pictures

    def list_clusters(self, level: str, loose: str, since: int | None, hidden: bool = False) -> Clusters:
        """Return the clusters of a level, the largest first; hidden ones only if told so."""
        empty = Clusters((), level, 0, 0)
        return self.read_clusters(lambda moment: browse.list_clusters(moment, level, loose, since, hidden), empty)

    def read_cluster(self, cluster: int | str, since: int | None = None) -> Cluster:
        """Return one cluster. Raises ClusterNotFound, which says what became of it; BadQuery for an ambiguous name."""
        record = self.read_clusters(
            lambda moment: browse.read_cluster(moment, resolve_cluster(moment, cluster), since), None
        )
        if record is None:
            raise ClusterNotFound(f"there is no cluster {cluster!r}: the collection is empty")
        return record

    def list_loose(self, level: str, page: int) -> tuple[Loose, ...]:
        """Return a page of the items that are in no cluster of a level."""
        empty: tuple[Loose, ...] = ()
        return self.read_clusters(lambda moment: browse.list_loose(moment, level, page), empty)

    def cut(self, count: int | None, threshold: float | None) -> Clusters:
        """Return the clusters of a cut of the tree. Raises BadQuery."""
        browse.check_cut(count, threshold)
        return self.read_tree(lambda moment: browse.cut(moment, count, threshold), Clusters((), None, 0, 0))

    def list_partitions(self) -> tuple[Partition, ...]:
        """Return the partitions of mini-batch k-means, the largest first."""
        empty: tuple[Partition, ...] = ()
        return self.read_tree(browse.list_partitions, empty, patient=False)

    def list_events(self, since: int) -> tuple[ClusterEvent, ...]:
        """Return the events of clusters after a change number, oldest first."""
        empty: tuple[ClusterEvent, ...] = ()
        return self.read_clusters(lambda moment: browse.list_events(moment, since), empty)

    def list_outliers(self, count: int) -> tuple[Outlier, ...]:
        """Return the items that are least similar to their nearest neighbours, with the reason."""
        empty: tuple[Outlier, ...] = ()
        return self.read_tree(lambda moment: browse.list_outliers(moment, count), empty)

    def group(self, hits: Hits, level: str, space: str | None) -> tuple[Group, ...]:
        """Return hits by their clusters of a level, in order of their best hits."""
        empty: tuple[Group, ...] = ()
        return self.read_clusters(lambda moment: browse.group_hits(moment, hits, level), empty, space)

    def rename(self, cluster: int | str, name: str | None) -> Cluster:
        """Give a cluster a name, or with None the automatic one again. Raises ClusterNotFound, UsageError."""
        if name is not None and (not isinstance(name, str) or not is_text(name) or not name.strip()):
            raise UsageError(f"a name is a text that is not empty, or None; got {name!r}")
        cluster_id = self.read_cluster(cluster).id
        assert cluster_id is not None
        text = name.strip() if name else None
        if text is None:
            text = self.read_clusters(lambda moment: find_automatic_name(moment, cluster_id), None)
        with self._catalogue.transaction() as transaction:
            transaction.clusters.set_name(cluster_id, text, name is not None)
        return self.read_cluster(cluster_id)

    def recluster(self) -> None:
        """Build the graph and the tree again, and choose the levels again."""
        view = self._spaces.view()
        if view and view.tree:
            view.followers.restart(view.tree)

    def read_clusters(self, job: Callable[[Moment], T], empty: T, space: str | None = None) -> T:
        """Return the job's result in a space whose clusters are up to date; `empty` if there is no space yet."""
        view = self._spaces.view(space)
        if view is None:
            return empty
        with self._catalogue.snapshot() as snapshot:
            clustering = snapshot.clusters.tree_levels(view.space.id)
            behind = (
                clustering is None
                or not snapshot.is_unchanged(clustering.position, view.space.id)
                or clustering.corrections != snapshot.corrections.version()
            )
        if behind:
            view.followers.record(let_wait=True, wait=0)
        with view.followers.current_snapshot() as snapshot:
            return job(Moment(view, snapshot, self._build_pager(view), self._pictures))

    def read_tree(self, job: Callable[[Moment], T], empty: T, *, patient: bool = True, space: str | None = None) -> T:
        """Return the job's result in a space whose tree is up to date; `empty` if there is no space yet."""
        view = self._spaces.view(space)
        if view is None:
            return empty
        view.followers.record(let_wait=patient, wait=0)
        with view.followers.complete_snapshot(let_wait=patient) as snapshot:
            return job(Moment(view, snapshot, self._build_pager(view), self._pictures))

    def _build_pager(self, view: View) -> Pager:
        def read_page(items: Ids, page: int, size: int) -> Page:
            with view.followers.current_snapshot() as snapshot:
                return browse.read_page(snapshot, view, items, page, size)

        return read_page
