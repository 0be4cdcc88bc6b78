"""Browsing the clusters of a collection, brought up to date first where they lag behind the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.metadata import is_text
from indexers.catalogue.snapshot import Snapshot
from indexers.errors import BadQuery, ClusterNotFound, UsageError
from indexers.types import Ids
from retrieval.checks import is_whole
from retrieval.clusters import browse
from retrieval.clusters.browse import Moment
from retrieval.clusters.cluster_names import Candidate, find_automatic_name, list_named, resolve_cluster
from retrieval.clusters.members import read_page
from retrieval.items.pictures import PictureLoader
from retrieval.parts.pictures import PartPictures
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

    def list_clusters(
        self, level: str, loose: str, since: int | None, hidden: bool = False, of: str | None = None
    ) -> Clusters:
        """Return the clusters of a level, the largest first; hidden ones only if told so."""
        empty = Clusters((), level, 0, 0, of=of)
        return self.read_clusters(
            lambda moment: browse.list_clusters(moment, level, loose, since, hidden), empty, of=of
        )

    def read_cluster(self, cluster: int | str, since: int | None = None) -> Cluster:
        """Return one cluster. Raises ClusterNotFound, which says what became of it; BadQuery for an ambiguous name."""
        record = self.read_clusters(
            lambda moment: browse.read_cluster(moment, resolve_cluster(moment, cluster), since),
            None,
            of=self.find_kind(cluster),
        )
        if record is None:
            raise ClusterNotFound(f"there is no cluster {cluster!r}: the collection is empty")
        return record

    def find_kind(self, cluster: Any) -> str | None:
        """Return the kind of the parts that a cluster is of; None for one of items, and for one that does not exist.

        A name is looked for among the clusters of items first. Raises BadQuery if clusters of several kinds have it.
        """
        view = self._spaces.view()
        if view is None or not (isinstance(cluster, str) or is_whole(cluster)):
            return None
        with self._catalogue.snapshot() as snapshot:
            kinds = {space.id: str(space.parts) for space in snapshot.part_spaces(view.space)}
            if kinds and not isinstance(cluster, str):
                spaces = snapshot.clusters.find_spaces(int(cluster))
                return None if view.space.id in spaces else next((kinds[id_] for id_ in kinds if id_ in spaces), None)
        none: list[Candidate] = []
        if not kinds or self.read_clusters(lambda moment: list_named(moment, cluster), none):
            return None
        named = {
            kind: self.read_clusters(lambda moment: list_named(moment, cluster), none, of=kind)
            for kind in kinds.values()
        }
        found = {kind: rows for kind, rows in named.items() if rows}
        if len(found) > 1:
            ids = ", ".join(f"{row.id} (of {kind}, {row.level})" for kind, rows in found.items() for row in rows)
            raise BadQuery(f"clusters of several kinds are named {cluster!r}; say which by its id: {ids}")
        return next(iter(found), None)

    def list_loose(self, level: str, page: int, of: str | None = None) -> tuple[Loose, ...]:
        """Return a page of the items that are in no cluster of a level."""
        empty: tuple[Loose, ...] = ()
        return self.read_clusters(lambda moment: browse.list_loose(moment, level, page), empty, of=of)

    def cut(self, count: int | None, threshold: float | None, of: str | None = None) -> Clusters:
        """Return the clusters of a cut of the tree. Raises BadQuery."""
        browse.check_cut(count, threshold)
        empty = Clusters((), None, 0, 0, of=of)
        return self.read_tree(lambda moment: browse.cut(moment, count, threshold), empty, of=of)

    def list_partitions(self) -> tuple[Partition, ...]:
        """Return the partitions of mini-batch k-means, the largest first."""
        empty: tuple[Partition, ...] = ()
        return self.read_tree(browse.list_partitions, empty, patient=False)

    def list_events(self, since: int, of: str | None = None) -> tuple[ClusterEvent, ...]:
        """Return the events of clusters after a change number, oldest first."""
        empty: tuple[ClusterEvent, ...] = ()
        return self.read_clusters(lambda moment: browse.list_events(moment, since), empty, of=of)

    def list_outliers(self, count: int, of: str | None = None) -> tuple[Outlier, ...]:
        """Return the items that are least similar to their nearest neighbours, with the reason."""
        empty: tuple[Outlier, ...] = ()
        return self.read_tree(lambda moment: browse.list_outliers(moment, count), empty, of=of)

    def group(self, hits: Hits, level: str, space: str | None) -> tuple[Group, ...]:
        """Return hits by their clusters of a level, in order of their best hits."""
        empty: tuple[Group, ...] = ()
        return self.read_clusters(lambda moment: browse.group_hits(moment, hits, level), empty, space)

    def rename(self, cluster: int | str, name: str | None) -> Cluster:
        """Give a cluster a name, or with None the automatic one again. Raises ClusterNotFound, UsageError."""
        if name is not None and (not isinstance(name, str) or not is_text(name) or not name.strip()):
            raise UsageError(f"a name is a text that is not empty, or None; got {name!r}")
        record = self.read_cluster(cluster)
        cluster_id, text = record.id, name.strip() if name else None
        assert cluster_id is not None
        if text is None:
            text = self.read_clusters(lambda moment: find_automatic_name(moment, cluster_id), None, of=record.of)
        with self._catalogue.transaction() as transaction:
            transaction.clusters.set_name(cluster_id, text, name is not None)
        return self.read_cluster(cluster_id)

    def recluster(self) -> None:
        """Build the graphs and the trees again, of items and of parts, and choose the levels again."""
        view = self._spaces.view()
        if view is None:
            return
        with self._catalogue.snapshot() as snapshot:
            kinds = [str(space.parts) for space in snapshot.part_spaces(view.space)]
        for each in (view, *(self._spaces.view_parts(view, kind) for kind in kinds)):
            if each.tree:
                each.followers.restart(each.tree)

    def read_clusters(self, job: Callable[[Moment], T], empty: T, space: str | None = None, of: str | None = None) -> T:
        """Return the job's result in a space whose clusters are up to date; `empty` if there is no space yet.

        of: the space of parts of that kind beside it. Raises BadQuery, UsageError if there is none.
        """
        view = self._find_view(space, of)
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
            return job(self._build_moment(view, snapshot))

    def read_tree(
        self,
        job: Callable[[Moment], T],
        empty: T,
        *,
        patient: bool = True,
        space: str | None = None,
        of: str | None = None,
    ) -> T:
        """Return the job's result in a space whose tree is up to date; `empty` if there is no space yet."""
        view = self._find_view(space, of)
        if view is None:
            return empty
        view.followers.record(let_wait=patient, wait=0)
        with view.followers.complete_snapshot(let_wait=patient) as snapshot:
            return job(self._build_moment(view, snapshot))

    def _find_view(self, space: str | None, of: str | None) -> View | None:
        view = self._spaces.view(space)
        return view if view is None or of is None else self._spaces.view_parts(view, of)

    def _build_moment(self, view: View, snapshot: Snapshot) -> Moment:
        pictures = self._pictures if view.space.parts is None else PartPictures(self._catalogue, self._pictures)
        return Moment(view, snapshot, self._build_pager(view), pictures)

    def _build_pager(self, view: View) -> Pager:
        def read(members: Ids, page: int, size: int) -> Page:
            with view.followers.current_snapshot() as snapshot:
                return read_page(snapshot, view, members, page, size)

        return read
