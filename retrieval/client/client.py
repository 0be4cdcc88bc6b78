"""A collection on a server, with the methods of a local one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, cast, overload

import numpy as np

from indexers.errors import UsageError
from indexers.types import Ids, Json
from retrieval.checks import ItemName, is_item_name, list_names
from retrieval.client.http import (
    Connection,
    LazyMembers,
    NotAllowed,
    ServerFault,
    Where,
    encode_filter,
    quote_segment,
    read_picture,
    to_cluster_ids,
    to_list,
    to_records,
)
from retrieval.clusters.browse import check_cut
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier
from retrieval.records.codec import from_json
from retrieval.records.duplicates import DuplicateGroup
from retrieval.records.items import Item, Page
from retrieval.records.reports import ENDED, AddReport, Info, Job
from retrieval.records.search import Group, Hit, Hits
from retrieval.search.query import ItemOf, Text

__all__ = ["Client", "NotAllowed", "ServerFault"]

Picture = Any
"""A path, a file's bytes, a PIL image, a uint8 array."""
POLL_SECONDS = 0.25
"""Time between two looks at a job."""


class Client(Connection):
    """A collection on a server.

    - `url`: where `nearkin serve` listens
    - `token`: one of the server's tokens, if it needs one
    - `timeout`: seconds for one response
    - further options: those of httpx.Client

    Methods raise what those of a Collection raise, and Unavailable (the server does not respond), NotAllowed and
    ServerFault. May be used from several threads at once.
    """

    # ---- reading

    def search(
        self,
        picture: Picture = None,
        *,
        k: int | None = None,
        text: str | None = None,
        item: ItemName | None = None,
        vector: Any = None,
        mix: Sequence[tuple[Any, float]] | None = None,
        query: str | None = None,
        radius: float | None = None,
        where: Where = None,
        metric: str | None = None,
        diversify: float | None = None,
        within: Any = None,
        exclude: Any = None,
        per_cluster: int | None = None,
        group: bool = False,
        level: str | None = None,
        space: str | None = None,
    ) -> Hits:
        """Return what looks like a picture, a text, an item, a vector or a mix of them, best first. See
        Collection.search. Pictures are sent to the server, which keeps them for an hour."""
        upload = None if picture is None else self._upload(picture)
        terms = None if mix is None else [{**self._encode_term(part), "weight": weight} for part, weight in mix]
        body: Json = {
            "upload": upload,
            "text": text,
            "item": item,
            "vector": to_list(vector),
            "mix": terms,
            "query": query,
            "k": k,
            "radius": radius,
            "where": where,
            "metric": metric,
            "diversify": diversify,
            "within": to_cluster_ids(within),
            "exclude": to_cluster_ids(exclude),
            "per_cluster": per_cluster,
            "group": group,
            "level": level,
            "space": space,
        }
        answer = self._post("/v1/search", {name: value for name, value in body.items() if value is not None})
        groups = tuple(
            Group(self._build_cluster(entry["cluster"]), to_records(Hit, entry["hits"])) for entry in answer["groups"]
        )
        return Hits(to_records(Hit, answer["hits"]), answer["as_of"], groups)

    def _encode_term(self, part: Any) -> Json:
        """Return a term of a mix as the server takes it."""
        if isinstance(part, Text):
            return {"text": part.words}
        if isinstance(part, ItemOf):
            return {"item": part.name}
        if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.ndim == 1):
            return {"vector": to_list(part)}
        return {"upload": self._upload(part)}

    def _upload(self, picture: Picture) -> str:
        files = {"picture": ("picture", read_picture(picture))}
        return cast(str, self._request("POST", "/v1/uploads", files=files)["upload"])

    @overload
    def get(self, items: ItemName) -> Item: ...  # type: ignore[overload-overlap]
    @overload
    def get(self, items: Iterable[ItemName]) -> list[Item]: ...
    def get(self, items: ItemName | Iterable[ItemName]) -> Item | list[Item]:
        """Return one item by id, key or path, or several in that order. Raises ItemNotFound."""
        records = [self._get_item(name) for name in list_names(items)]
        return records[0] if is_item_name(items) else records

    def _get_item(self, name: Any) -> Item:
        if isinstance(name, str):
            return cast(Item, from_json(Item, self._get("/v1/item", key=name)))
        return cast(Item, from_json(Item, self._get(f"/v1/items/{int(name)}")))

    def items(self, *, where: Where = None, cursor: int | None = None, limit: int = 100) -> Page:
        """Return a page of items in order of id; give its `cursor` to the next call."""
        return cast(
            Page, from_json(Page, self._get("/v1/items", where=encode_filter(where), cursor=cursor, limit=limit))
        )

    def count(self, *, where: Where = None) -> int:
        """Count the items that meet a filter."""
        return cast(int, self._get("/v1/count", where=encode_filter(where))["count"])

    def info(self) -> Info:
        """Return what the collection holds; `path` is the server's address."""
        answer = self._get("/v1/info")
        del answer["server"]
        return cast(Info, from_json(Info, {**answer, "path": str(self._http.base_url)}))

    def change(self) -> int:
        """Return the newest change number."""
        return cast(int, self._get("/readyz")["change"])

    # ---- writing

    def add(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        keys: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> AddReport:
        """Add pictures by sending them: paths of local files, bytes, PIL images, arrays. See Collection.add."""
        several = list(pictures) if isinstance(pictures, list | tuple) else [pictures]
        files = [("pictures", (str(number), read_picture(picture))) for number, picture in enumerate(several)]
        fields: Json = {"keys": keys, "texts": texts, "metadata": None if metadata is None else json.dumps(metadata)}
        data = {name: value for name, value in fields.items() if value is not None}
        return cast(AddReport, from_json(AddReport, self._request("POST", "/v1/items", files=files, data=data)))

    def add_paths(
        self, paths: str | PathLike[str] | Sequence[Any], *, metadata: Where = None, sync: bool = False
    ) -> Job:
        """Add pictures that lie on the server, below a folder that it allows, as a job: see `wait`. `sync`: also mark
        as missing what has vanished from there."""
        several = [paths] if isinstance(paths, str | PathLike) else list(paths)
        body = {"paths": [str(path) for path in several], "metadata": metadata, "sync": sync}
        return cast(Job, from_json(Job, self._post("/v1/jobs/add", body)))

    def update(self, item: ItemName, metadata: Where = None, *, text: str | None = None, replace: bool = False) -> Item:
        """Merge metadata into an item's (`replace`: replace the item's), and set its text. Raises ItemNotFound."""
        body = {"metadata": metadata, "text": text, "replace": replace}
        return cast(Item, from_json(Item, self._request("PATCH", f"/v1/items/{self._find_id(item)}", json=body)))

    def remove(self, items: ItemName | Iterable[ItemName] | None = None, *, where: Where = None) -> int:
        """Remove items by id or key, or all that meet a filter. Return the number removed. Raises ItemNotFound."""
        names = None if items is None else list_names(items)
        return cast(int, self._post("/v1/items/remove", {"items": names, "where": where})["removed"])

    def _find_id(self, item: ItemName) -> int:
        return self._get_item(item).id if isinstance(item, str) else int(item)

    # ---- clusters

    def clusters(self, level: str = "medium", *, loose: str = "apart", since: int | None = None) -> Clusters:
        """Return the clusters of a level, the largest first. See Collection.clusters."""
        return self._get_clusters(level=level, loose=loose, since=since)

    def cut(self, count: int | None = None, threshold: float | None = None) -> Clusters:
        """Cut the tree of clusters anywhere: into about `count` clusters, or at a similarity."""
        check_cut(count, threshold)
        return self._get_clusters(count=count, threshold=threshold)

    def _get_clusters(self, **params: Any) -> Clusters:
        answer = self._get("/v1/clusters", **params)
        clusters = tuple(cast(Cluster, self._build_cluster(cluster)) for cluster in answer["clusters"])
        return Clusters(clusters, answer["level"], answer["loose"], answer["as_of"])

    def cluster(self, cluster: int, *, since: int | None = None) -> Cluster:
        """Return a cluster by its id. Raises ClusterNotFound, which tells what became of it."""
        return cast(Cluster, self._build_cluster(self._get(f"/v1/clusters/{int(cluster)}", since=since)))

    def _build_cluster(self, data: Json | None) -> Cluster | None:
        """Return a cluster whose items are fetched when they are asked for."""
        if data is None:
            return None

        def get_page(_: Ids, page: int, size: int) -> Page:
            if data["id"] is None:
                raise UsageError(
                    "this cluster of a cut is none of the tree's levels: it has no id to fetch its items by"
                )
            return cast(Page, from_json(Page, self._get(f"/v1/clusters/{data['id']}/items", page=page, size=size)))

        return replace(from_json(Cluster, data), _members=cast(Ids, LazyMembers(get_page)), _pager=get_page)

    def cluster_events(self, since: int = 0) -> tuple[ClusterEvent, ...]:
        """Return what happened to clusters after a change number, the oldest first."""
        return to_records(ClusterEvent, self._get("/v1/events", since=since)["events"])

    def outliers(self, n: int = 20) -> tuple[Outlier, ...]:
        """Return the items that are least similar to any other, with the reason, the strangest first."""
        return to_records(Outlier, self._get("/v1/outliers", n=n)["outliers"])

    def loose(self, level: str = "medium", *, page: int = 1) -> tuple[Loose, ...]:
        """Return the items that are in no cluster of a level, 100 a page."""
        return to_records(Loose, self._get("/v1/clusters/loose", level=level, page=page)["loose"])

    def rename(self, cluster: int, name: str | None) -> Cluster:
        """Name a cluster; None restores its automatic name."""
        renamed = self._request("PATCH", f"/v1/clusters/{int(cluster)}", json={"name": name})
        return cast(Cluster, self._build_cluster(renamed))

    def clusterings(self) -> tuple[NamedClustering, ...]:
        """Return all clusterings by name."""
        return to_records(NamedClustering, self._get("/v1/clusterings")["clusterings"])

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
        progress: Callable[[Job], object] = lambda _: None,
    ) -> NamedClustering:
        """Make a clustering, and wait for it. See Collection.make_clustering, and `begin_clustering`."""
        choice: Json = {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        job = self.begin_clustering(name, method, k=k, threshold=threshold, settings=settings, **choice)
        return self._read_clustering(self.wait(job, progress))

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
        return cast(Job, from_json(Job, self._post("/v1/clusterings", body)))

    def refresh_clustering(self, name: str) -> NamedClustering:
        """Make a clustering again from all present items, and wait for it. Raises ClusteringNotFound."""
        job = from_json(Job, self._post(f"/v1/clusterings/{quote_segment(name)}/refresh", None))
        return self._read_clustering(self.wait(job))

    def _read_clustering(self, job: Job) -> NamedClustering:
        if job.state != "done":
            raise UsageError(job.error or f"the job was {job.state}")
        return cast(NamedClustering, from_json(NamedClustering, job.report))

    def drop_clustering(self, name: str) -> None:
        """Delete a clustering; the pictures stay. Raises ClusteringNotFound."""
        self._request("DELETE", f"/v1/clusterings/{quote_segment(name)}")

    # ---- duplicates

    def duplicates(
        self, threshold: float | None = None, *, rule: str = "kept", prefer: str | None = None, compare: bool = True
    ) -> tuple[DuplicateGroup, ...]:
        """Return groups of pictures that are duplicates of each other. See Collection.duplicates."""
        groups: list[Json] = []
        cursor: int | None = 0
        while cursor is not None:
            params = {"threshold": threshold, "rule": rule, "prefer": prefer, "compare": compare, "cursor": cursor}
            page = self._get("/v1/duplicates", limit=1000, **params)
            groups, cursor = [*groups, *page["groups"]], page["cursor"]
        return to_records(DuplicateGroup, groups)

    def decide(self, group: DuplicateGroup, keep: ItemName) -> tuple[int, ...]:
        """Keep one item of a group, which settles it. Return the decisions' ids, for `undo`."""
        return self._decide("keep", group.items, self._find_id(keep))

    def not_duplicates(self, a: ItemName, b: ItemName) -> int:
        """Note that two items are no duplicates. Return the decision's id, for `undo`."""
        return self._decide("not duplicates", (self._find_id(a), self._find_id(b)))[0]

    def keep_both(self, a: ItemName, b: ItemName) -> int:
        """Keep two items although they are duplicates. Return the decision's id, for `undo`."""
        return self._decide("keep both", (self._find_id(a), self._find_id(b)))[0]

    def _decide(self, verdict: str, items: Sequence[int], keep: int | None = None) -> tuple[int, ...]:
        answer = self._post("/v1/decisions", {"what": verdict, "items": list(items), "keep": keep})
        return tuple(answer["decisions"])

    def undo(self, decision: int) -> None:
        """Take a decision back."""
        self._request("DELETE", f"/v1/decisions/{int(decision)}")

    # ---- jobs

    def jobs(self) -> tuple[Job, ...]:
        """Return all jobs, the newest first."""
        return to_records(Job, self._get("/v1/jobs")["jobs"])

    def job(self, job: str) -> Job:
        """Return a job by its id."""
        return cast(Job, from_json(Job, self._get(f"/v1/jobs/{quote_segment(job)}")))

    def cancel(self, job: Job) -> Job:
        """Stop a job; what it has done stays."""
        return cast(Job, from_json(Job, self._request("DELETE", f"/v1/jobs/{quote_segment(job.id)}")))

    def wait(self, job: Job, progress: Callable[[Job], object] = lambda _: None) -> Job:
        """Wait until a job has ended, and return it; `progress` is called with it meanwhile."""
        while job.state not in ENDED:
            time.sleep(POLL_SECONDS)
            job = self.job(job.id)
            progress(job)
        return job
