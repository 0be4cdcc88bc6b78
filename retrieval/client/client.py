"""A collection that is served elsewhere, with the methods of one that is here."""

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
from retrieval.answers import NAMES, Name
from retrieval.client.http import (
    Members,
    NotAllowed,
    ServerFault,
    Where,
    Wire,
    content,
    each,
    filtered,
    ids,
    numbers,
    safe,
)
from retrieval.clusters.browse import check_cut
from retrieval.records.clusters import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier
from retrieval.records.codec import revived
from retrieval.records.duplicates import DuplicateGroup
from retrieval.records.items import Item, Page
from retrieval.records.reports import ENDED, AddReport, Info, Job
from retrieval.records.search import Group, Hit, Hits
from retrieval.search.query import ItemOf, Text

__all__ = ["Client", "NotAllowed", "ServerFault"]

Picture = Any
"""A path, a file's bytes, a PIL image, a uint8 array."""
OFTEN = 0.25
"""Seconds between two looks at a job."""


class Client(Wire):
    """`url`: where `nearkin serve` listens; `token`: one of its tokens, if it asks for them; `timeout`: seconds for one
    answer; further options are those of httpx.Client. Methods raise what those of a Collection raise, and Unavailable
    (nobody answers), NotAllowed, ServerFault. May be used from several threads at once."""

    # ---- asking

    def search(
        self,
        picture: Picture = None,
        *,
        k: int | None = None,
        text: str | None = None,
        item: Name | None = None,
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
        """What looks like this? See Collection.search; pictures are sent to the server, which forgets them."""
        upload = None if picture is None else self._uploaded(picture)
        parts = None if mix is None else [{**self._part(one), "weight": weight} for one, weight in mix]
        asked: Json = {"k": k, "text": text, "item": item, "vector": numbers(vector), "mix": parts, "upload": upload}
        asked |= {"query": query, "radius": radius, "where": where, "diversify": diversify, "per_cluster": per_cluster}
        asked |= {"within": ids(within), "exclude": ids(exclude), "group": group, "level": level, "space": space}
        asked |= {"metric": metric}
        found = self._post("/v1/search", {name: one for name, one in asked.items() if one is not None})
        groups = tuple(Group(self._cluster(one["cluster"]), each(Hit, one["hits"])) for one in found["groups"])
        return Hits(each(Hit, found["hits"]), found["as_of"], groups)

    def _part(self, part: Any) -> Json:
        if isinstance(part, Text):
            return {"text": part.words}
        if isinstance(part, ItemOf):
            return {"item": part.name}
        if isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.ndim == 1):
            return {"vector": numbers(part)}
        return {"upload": self._uploaded(part)}

    def _uploaded(self, picture: Picture) -> str:
        sent = self._call("POST", "/v1/uploads", files={"picture": ("picture", content(picture))})
        return cast(str, sent["upload"])

    @overload
    def get(self, items: Name) -> Item: ...  # type: ignore[overload-overlap]
    @overload
    def get(self, items: Iterable[Name]) -> list[Item]: ...
    def get(self, items: Name | Iterable[Name]) -> Item | list[Item]:
        """One item, or several in that order, by id, key or path. Raises ItemNotFound."""
        return self._one(items) if isinstance(items, NAMES) else [self._one(one) for one in items]

    def _one(self, name: Any) -> Item:
        if isinstance(name, str):
            return cast(Item, revived(Item, self._get("/v1/item", key=name)))
        return cast(Item, revived(Item, self._get(f"/v1/items/{int(name)}")))

    def items(self, *, where: Where = None, cursor: int | None = None, limit: int = 100) -> Page:
        """A page of items in order of id; give its `cursor` to the next call."""
        return cast(Page, revived(Page, self._get("/v1/items", where=filtered(where), cursor=cursor, limit=limit)))

    def count(self, *, where: Where = None) -> int:
        """How many items a filter holds for."""
        return cast(int, self._get("/v1/count", where=filtered(where))["count"])

    def info(self) -> Info:
        """What the collection holds; `path` is the server's address."""
        found = self._get("/v1/info")
        del found["server"]
        return cast(Info, revived(Info, {**found, "path": str(self._http.base_url)}))

    def change(self) -> int:
        """The newest change number."""
        return cast(int, self._get("/readyz")["change"])

    # ---- changing

    def add(
        self,
        pictures: Picture | Sequence[Picture],
        *,
        metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        keys: Sequence[str] | None = None,
        texts: Sequence[str] | None = None,
    ) -> AddReport:
        """Add pictures by sending them: paths of files here, bytes, PIL images, arrays. See Collection.add."""
        several = list(pictures) if isinstance(pictures, list | tuple) else [pictures]
        files = [("pictures", (f"{place}", content(one))) for place, one in enumerate(several)]
        said: Json = {"keys": keys, "texts": texts, "metadata": None if metadata is None else json.dumps(metadata)}
        data = {name: one for name, one in said.items() if one is not None}
        return cast(AddReport, revived(AddReport, self._call("POST", "/v1/items", files=files, data=data)))

    def add_paths(
        self, paths: str | PathLike[str] | Sequence[Any], *, metadata: Where = None, sync: bool = False
    ) -> Job:
        """Add pictures that lie on the server, below a folder that it allows, as a job: see `wait`. `sync`: also mark
        what has vanished from there."""
        several = [paths] if isinstance(paths, str | PathLike) else list(paths)
        asked = {"paths": [str(one) for one in several], "metadata": metadata, "sync": sync}
        return cast(Job, revived(Job, self._post("/v1/jobs/add", asked)))

    def update(self, item: Name, metadata: Where = None, *, text: str | None = None, replace: bool = False) -> Item:
        """Merge metadata into an item's (`replace`: put it in its place), and give it a text. Raises ItemNotFound."""
        asked = {"metadata": metadata, "text": text, "replace": replace}
        return cast(Item, revived(Item, self._call("PATCH", f"/v1/items/{self._id(item)}", json=asked)))

    def remove(self, items: Name | Iterable[Name] | None = None, *, where: Where = None) -> int:
        """Remove items by id or key, or all that a filter holds for. How many it were. Raises ItemNotFound."""
        names = None if items is None else [items] if isinstance(items, NAMES) else list(items)
        return cast(int, self._post("/v1/items/remove", {"items": names, "where": where})["removed"])

    def _id(self, item: Name) -> int:
        return self._one(item).id if isinstance(item, str) else int(item)

    # ---- families

    def clusters(self, level: str = "medium", *, loose: str = "apart", since: int | None = None) -> Clusters:
        """Which families of pictures are there? See Collection.clusters."""
        return self._clusters(level=level, loose=loose, since=since)

    def cut(self, count: int | None = None, threshold: float | None = None) -> Clusters:
        """The tree of clusters cut anywhere: into about `count` clusters, or at a similarity."""
        check_cut(count, threshold)
        return self._clusters(count=count, threshold=threshold)

    def _clusters(self, **asked: Any) -> Clusters:
        found = self._get("/v1/clusters", **asked)
        several = tuple(cast(Cluster, self._cluster(one)) for one in found["clusters"])
        return Clusters(several, found["level"], found["loose"], found["as_of"])

    def cluster(self, cluster: int, *, since: int | None = None) -> Cluster:
        """One cluster by its id. Raises ClusterNotFound, which says what became of it."""
        return cast(Cluster, self._cluster(self._get(f"/v1/clusters/{int(cluster)}", since=since)))

    def _cluster(self, data: Json | None) -> Cluster | None:
        """With items that are fetched when they are asked for."""
        if data is None:
            return None

        def page(_: Ids, page: int, size: int) -> Page:
            if data["id"] is None:
                raise UsageError("a cluster of a cut that is none of the tree's levels has no id to ask for its items")
            return cast(Page, revived(Page, self._get(f"/v1/clusters/{data['id']}/items", page=page, size=size)))

        return replace(revived(Cluster, data), _members=cast(Ids, Members(page)), _page=page)

    def cluster_events(self, since: int = 0) -> tuple[ClusterEvent, ...]:
        """What has happened to clusters after a change number, oldest first."""
        return each(ClusterEvent, self._get("/v1/events", since=since)["events"])

    def outliers(self, n: int = 20) -> tuple[Outlier, ...]:
        """The items that fit nowhere, with the reason, the strangest first."""
        return each(Outlier, self._get("/v1/outliers", n=n)["outliers"])

    def loose(self, level: str = "medium", *, page: int = 1) -> tuple[Loose, ...]:
        """The items that are in no cluster of a level, a hundred on a page."""
        return each(Loose, self._get("/v1/clusters/loose", level=level, page=page)["loose"])

    def rename(self, cluster: int, name: str | None) -> Cluster:
        """Give a cluster a name; None takes it back."""
        renamed = self._call("PATCH", f"/v1/clusters/{int(cluster)}", json={"name": name})
        return cast(Cluster, self._cluster(renamed))

    def clusterings(self) -> tuple[NamedClustering, ...]:
        """All clusterings by name."""
        return each(NamedClustering, self._get("/v1/clusterings")["clusterings"])

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
        """Make a clustering, and wait for it; see Collection.make_clustering, and `begin_clustering`."""
        choice: Json = {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        job = self.begin_clustering(name, method, k=k, threshold=threshold, settings=settings, **choice)
        return self._made(self.wait(job, progress))

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
        """The same as a job, without waiting."""
        asked: Json = {"name": name, "method": method, "k": k, "threshold": threshold, "settings": settings}
        asked |= {"sample": sample, "once_per_copy": once_per_copy, "without_outliers": without_outliers}
        return cast(Job, revived(Job, self._post("/v1/clusterings", asked)))

    def refresh_clustering(self, name: str) -> NamedClustering:
        """Make it anew, and wait for it. Raises ClusteringNotFound."""
        return self._made(self.wait(revived(Job, self._post(f"/v1/clusterings/{safe(name)}/refresh", None))))

    def _made(self, job: Job) -> NamedClustering:
        if job.state != "done":
            raise UsageError(job.error or f"the job was {job.state}")
        return cast(NamedClustering, revived(NamedClustering, job.report))

    def drop_clustering(self, name: str) -> None:
        """Forget a clustering; the pictures stay. Raises ClusteringNotFound."""
        self._call("DELETE", f"/v1/clusterings/{safe(name)}")

    # ---- copies

    def duplicates(
        self, threshold: float | None = None, *, rule: str = "kept", prefer: str | None = None, compare: bool = True
    ) -> tuple[DuplicateGroup, ...]:
        """Which are copies of each other? See Collection.duplicates."""
        found: list[Json] = []
        cursor: int | None = 0
        while cursor is not None:
            asked = {"threshold": threshold, "rule": rule, "prefer": prefer, "compare": compare, "cursor": cursor}
            page = self._get("/v1/duplicates", limit=1000, **asked)
            found, cursor = [*found, *page["groups"]], page["cursor"]
        return each(DuplicateGroup, found)

    def decide(self, group: DuplicateGroup, keep: Name) -> tuple[int, ...]:
        """Keep this one of a group: the group is settled. The decisions' ids, for `undo`."""
        return self._decide("keep", group.items, self._id(keep))

    def not_duplicates(self, a: Name, b: Name) -> int:
        """These two are no copies. The decision's id, for `undo`."""
        return self._decide("not duplicates", (self._id(a), self._id(b)))[0]

    def keep_both(self, a: Name, b: Name) -> int:
        """These two are copies, and both are wanted. The decision's id, for `undo`."""
        return self._decide("keep both", (self._id(a), self._id(b)))[0]

    def _decide(self, what: str, items: Sequence[int], keep: int | None = None) -> tuple[int, ...]:
        decided = self._post("/v1/decisions", {"what": what, "items": list(items), "keep": keep})
        return tuple(decided["decisions"])

    def undo(self, decision: int) -> None:
        """Take a decision back."""
        self._call("DELETE", f"/v1/decisions/{int(decision)}")

    # ---- jobs

    def jobs(self) -> tuple[Job, ...]:
        """All jobs, the newest first."""
        return each(Job, self._get("/v1/jobs")["jobs"])

    def job(self, job: str) -> Job:
        """One job by its id."""
        return cast(Job, revived(Job, self._get(f"/v1/jobs/{safe(job)}")))

    def cancel(self, job: Job) -> Job:
        """Stop a job; what it has done stays."""
        return cast(Job, revived(Job, self._call("DELETE", f"/v1/jobs/{safe(job.id)}")))

    def wait(self, job: Job, progress: Callable[[Job], object] = lambda _: None) -> Job:
        """The job, when it has ended; `progress` is told of it meanwhile."""
        while job.state not in ENDED:
            time.sleep(OFTEN)
            job = self.job(job.id)
            progress(job)
        return job
