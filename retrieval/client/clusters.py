"""Clusters on a server, named clusterings, and their evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from indexers.errors import ClusterNotFound, UsageError
from indexers.types import Ids, Json
from retrieval.checks import is_whole
from retrieval.client.http import LazyMembers, PageBeyondLast, ServedPictures, Where, quote_segment, to_records
from retrieval.client.jobs import JobMethods, WatchJob, ignore_job
from retrieval.clusters.browse import check_cut
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier, Partition
from retrieval.records.codec import from_json
from retrieval.records.evaluation import Evaluation
from retrieval.records.items import Page
from retrieval.records.parts import PartPage
from retrieval.records.reports import Job

Method = str | tuple[str, Mapping[str, Any]]
"""A clustering algorithm, alone or with its parameters."""
NO_ID = "this cluster of a cut is in none of the tree's levels, so it has no id by which to fetch its {}"
T = TypeVar("T", Cluster, Partition)


class ClusterMethods(JobMethods):
    """The methods about clusters."""

    def clusters(
        self,
        level: str = "medium",
        *,
        loose: str = "apart",
        since: int | None = None,
        hidden: bool = False,
        of: str | None = None,
    ) -> Clusters:
        """Return the clusters of a level, the largest first. See Collection.clusters."""
        return self._get_clusters(level=level, loose=loose, since=since, hidden=hidden, of=of)

    def cut(self, count: int | None = None, threshold: float | None = None, *, of: str | None = None) -> Clusters:
        """Cut the tree of clusters anywhere: into `count` clusters, or at a similarity."""
        check_cut(count, threshold)
        return self._get_clusters(count=count, threshold=threshold, of=of)

    def _get_clusters(self, **params: Any) -> Clusters:
        answer = self._get("/v1/clusters", **params)
        clusters = tuple(cast(Cluster, self._build_cluster(cluster)) for cluster in answer["clusters"])
        level, loose, as_of, note = (answer[name] for name in ("level", "loose", "as_of", "note"))
        return Clusters(clusters, level, loose, as_of, note, answer.get("of"))

    def cluster(self, cluster: int | str, *, since: int | None = None) -> Cluster:
        """Return a cluster by its id, or by a name that it alone has. Raises ClusterNotFound, which tells what became
        of it; BadQuery if several clusters have the name."""
        if isinstance(cluster, str):
            answer = self._get("/v1/cluster", name=cluster, since=since)
        elif is_whole(cluster):
            answer = self._get(f"/v1/clusters/{int(cluster)}", since=since)
        else:
            raise ClusterNotFound(f"a cluster is named by its id, a whole number, or by its name; got {cluster!r}")
        return cast(Cluster, self._build_cluster(answer))

    def _build_cluster(self, data: Json | None) -> Cluster | None:
        """Return a cluster whose items are fetched when they are asked for."""
        if data is None:
            return None
        cluster = self._connect(cast(Cluster, from_json(Cluster, data)), "clusters")
        return cluster if cluster.of is None else self._connect_parts(cluster)

    def _connect_parts(self, cluster: Cluster) -> Cluster:
        """Return a cluster of parts whose parts and their pictures are fetched when they are asked for."""

        def get_page(_: Ids, page: int, size: int) -> PartPage:
            if cluster.id is None:
                raise UsageError(NO_ID.format("parts"))
            try:
                answer = self._get(f"/v1/clusters/{cluster.id}/parts", page=page, size=size)
            except PageBeyondLast:
                return PartPage((), None, self._get("/readyz")["change"])
            return cast(PartPage, from_json(PartPage, answer))

        members, pictures = cast(Ids, LazyMembers(get_page)), ServedPictures(self._get_bytes, "parts")
        return replace(cluster, _members=members, _part_pager=get_page, _pictures=pictures)

    def _connect(self, record: T, topic: str) -> T:
        """Return a cluster or partition whose items and pictures are fetched when they are asked for."""

        def get_page(_: Ids, page: int, size: int) -> Page:
            if record.id is None:
                raise UsageError(NO_ID.format("items"))
            return self._get_page(f"/v1/{topic}/{record.id}/items", page=page, size=size)

        members, pictures = cast(Ids, LazyMembers(get_page)), ServedPictures(self._get_bytes)
        return replace(record, _members=members, _pager=get_page, _pictures=pictures)

    def partitions(self) -> tuple[Partition, ...]:
        """Return the partitions of mini-batch k-means, the largest first; every item is in exactly one."""
        rows = to_records(Partition, self._get("/v1/partitions")["partitions"])
        return tuple(self._connect(partition, "partitions") for partition in rows)

    def cluster_events(self, since: int = 0, *, of: str | None = None) -> tuple[ClusterEvent, ...]:
        """Return what happened to clusters after a change number, the oldest first."""
        return to_records(ClusterEvent, self._get("/v1/events", since=since, of=of)["events"])

    def outliers(self, n: int = 20, *, of: str | None = None) -> tuple[Outlier, ...]:
        """Return the items that are least similar to any other, with the reason, the strangest first."""
        return to_records(Outlier, self._get("/v1/outliers", n=n, of=of)["outliers"])

    def loose(self, level: str = "medium", *, page: int = 1, of: str | None = None) -> tuple[Loose, ...]:
        """Return the items that are in no cluster of a level, 100 a page."""
        try:
            return to_records(Loose, self._get("/v1/clusters/loose", level=level, page=page, of=of)["loose"])
        except PageBeyondLast:
            return ()

    def rename(self, cluster: int | str, name: str | None) -> Cluster:
        """Name a cluster, by its id or by its present name; None restores its automatic name."""
        cluster_id = self.cluster(cluster).id if isinstance(cluster, str) else int(cluster)
        renamed = self._request("PATCH", f"/v1/clusters/{cluster_id}", json={"name": name})
        return cast(Cluster, self._build_cluster(renamed))

    def recluster(self, *, progress: WatchJob = ignore_job) -> Clusters:
        """Build graph and tree again and choose the levels again; wait for it. See Collection.recluster."""
        self._run("/v1/recluster", progress=progress)
        return self.clusters()

    # ---- named clusterings

    def clusterings(self) -> tuple[NamedClustering, ...]:
        """Return all named clusterings."""
        return to_records(NamedClustering, self._get("/v1/clusterings")["clusterings"])

    def clustering(self, name: str) -> NamedClustering:
        """Return one clustering. Raises ClusteringNotFound."""
        answer = self._get(f"/v1/clusterings/{quote_segment(name)}")
        return cast(NamedClustering, from_json(NamedClustering, answer))

    def make_clustering(
        self,
        name: str,
        method: str = "kmeans",
        *,
        k: int | None = None,
        threshold: float | None = None,
        settings: Where = None,
        sample: int | None = None,
        once_per_copy: bool = False,
        without_outliers: float = 0.0,
        progress: WatchJob = ignore_job,
    ) -> NamedClustering:
        """Make a clustering, and wait for it. See Collection.make_clustering, and `begin_clustering`."""
        choice: Json = {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        body = {"name": name, "method": method, "k": k, "threshold": threshold, "settings": settings, **choice}
        return self._run_clustering("/v1/clusterings", body, progress)

    def begin_clustering(
        self,
        name: str,
        method: str = "kmeans",
        *,
        k: int | None = None,
        threshold: float | None = None,
        settings: Where = None,
        sample: int | None = None,
        once_per_copy: bool = False,
        without_outliers: float = 0.0,
    ) -> Job:
        """Begin to make a clustering, as a job, without waiting for it."""
        body: Json = {"name": name, "method": method, "k": k, "threshold": threshold, "settings": settings}
        body |= {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        return self._begin("/v1/clusterings", body)

    def refresh_clustering(self, name: str, *, progress: WatchJob = ignore_job) -> NamedClustering:
        """Make a clustering again from all present items, and wait for it. Raises ClusteringNotFound."""
        return self._run_clustering(f"/v1/clusterings/{quote_segment(name)}/refresh", None, progress)

    def _run_clustering(self, path: str, body: Any, progress: WatchJob) -> NamedClustering:
        return cast(NamedClustering, from_json(NamedClustering, self._run(path, body, progress)))

    def drop_clustering(self, name: str) -> None:
        """Delete a clustering; the pictures stay. Raises ClusteringNotFound."""
        self._request("DELETE", f"/v1/clusterings/{quote_segment(name)}")

    def evaluate(
        self,
        *,
        labels: str | None = None,
        methods: Sequence[Method] = ("kmeans",),
        k: int | None = None,
        spaces: str | Sequence[str] | None = None,
        draws: int = 3,
        sample: int | None = None,
        random_state: int = 0,
        progress: WatchJob = ignore_job,
    ) -> Evaluation:
        """Compare clusterings and embedders, and wait for it. See Collection.evaluate."""
        body: Json = {"labels": labels, "k": k, "draws": draws, "sample": sample, "random_state": random_state}
        body["methods"] = [encode_method(method) for method in methods]
        body["spaces"] = [spaces] if isinstance(spaces, str) else None if spaces is None else list(spaces)
        given = {name: value for name, value in body.items() if value is not None}
        return cast(Evaluation, from_json(Evaluation, self._run("/v1/evaluate", given, progress)))


def encode_method(method: Method) -> Json:
    """Return a clustering algorithm with its parameters as the server takes it."""
    name, parameters = (method, {}) if isinstance(method, str) else method
    return {"name": name, "parameters": dict(parameters)}
