"""Clusters of pictures, and named clusterings."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import ConfigDict

from indexers.errors import ClusterNotFound
from indexers.types import LEVELS
from retrieval import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier, Page, Partition
from retrieval.clusters.named import check_name, choice_of, parameters_of
from retrieval.records.parts import PartPage
from retrieval.records.reports import Job
from retrieval.server.responses import answer_json, check_page, document_errors
from retrieval.server.schemas import (
    MAX_JSON_INT,
    ClusterId,
    JsonInt,
    Level,
    PageNumber,
    PartitionId,
    PartKind,
    RequestBody,
    ResponseBody,
    build_list,
    build_model,
)
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["clusters"])

Since = Annotated[
    int | None, Query(ge=0, lt=MAX_JSON_INT, description="A change number: what was added after it counts as new.")
]
PageSize = Annotated[int, Query(ge=1, le=1000, description="Items per page.")]
LOOSE_PAGE = 100
"""Loose items on a page."""
ClusteringName = Annotated[str, Path(alias="name", description="The clustering's name.")]


class ClusterName(RequestBody):
    """A name for a cluster."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "boats"}]})

    name: str | None
    """The new name; null restores the automatic one."""


class ClusteringRequest(RequestBody):
    """A clustering to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "rooms", "method": "kmeans", "k": 12}]})

    name: str
    """The clustering's name, by which `level` finds it; a known name is made again."""
    method: str = "kmeans"
    """The clustering algorithm: kmeans, density, or another that `nearkin cluster --help` names."""
    k: JsonInt | None = None
    """The number of clusters."""
    threshold: float | None = None
    """The distance at which clusters are no longer merged."""
    settings: dict[str, Any] | None = None
    """Further parameters of the method."""
    sample: JsonInt | None = None
    """Learn from a sample of that many items."""
    once_per_copy: bool = False
    """Learn from near-identical items only once."""
    without_outliers: float = 0.0
    """The share of items, farthest from all others, that is left out of learning."""


class Levels(ResponseBody):
    """The values that `level` may have."""

    levels: list[str]
    """The tree's levels, coarse to fine, then the names of clusterings."""


@router.get("/levels", response_model=Levels)
def list_levels(collection: CollectionDep) -> Response:
    """Return the tree's levels, coarse to fine, then the names of clusterings."""
    return answer_json({"levels": [*LEVELS, *(clustering.name for clustering in collection.clusterings())]})


@router.get("/clusters", response_model=build_model(Clusters), responses=document_errors(400))
def list_clusters(
    collection: CollectionDep,
    level: Annotated[
        str | None, Query(description="A level (coarse, medium, fine), or the name of a clustering.")
    ] = None,
    count: Annotated[
        int | None,
        Query(gt=-MAX_JSON_INT, lt=MAX_JSON_INT, description="Cut the tree into that many clusters instead."),
    ] = None,
    threshold: Annotated[float | None, Query(description="Cut the tree at that similarity instead.")] = None,
    since: Since = None,
    loose: Annotated[
        str, Query(description="apart: leave loose items out; nearest: count each to its nearest cluster.")
    ] = "apart",
    hidden: Annotated[bool, Query(description="Also return clusters that were hidden.")] = False,
    of: PartKind = None,
) -> Response:
    """Return the clusters of a level, or of a cut of the tree, the largest first."""
    if count is not None or threshold is not None:
        return answer_json(collection.cut(count, threshold, of=of))
    return answer_json(collection.clusters(level or "medium", loose=loose, since=since, hidden=hidden, of=of))


@router.get(
    "/clusters/loose",
    response_model=build_list("loose", Loose, "The items, in order of id."),
    responses=document_errors(400),
)
def list_loose_items(
    collection: CollectionDep, level: Level = "medium", page: PageNumber = 1, of: PartKind = None
) -> Response:
    """Return the items that are in no cluster of a level, 100 a page; with `of` the parts, each with its item."""
    items = collection.loose(level, page=page, of=of)
    if not items:
        check_page(page, LOOSE_PAGE, collection.clusters(level, of=of).loose)
    return answer_json({"loose": [item.to_dict() for item in items]})


@router.get("/clusters/{cluster}", response_model=build_model(Cluster), responses=document_errors(404))
def get_cluster(cluster_id: ClusterId, collection: CollectionDep, since: Since = None) -> Response:
    """Return a cluster."""
    return answer_json(collection.cluster(cluster_id, since=since))


@router.get(
    "/cluster",
    response_model=build_model(Cluster),
    responses=document_errors(400, 404),
    summary="Get a cluster by its name",
)
def get_cluster_by_name(
    name: Annotated[str, Query(description="A name that no other cluster has.")],
    collection: CollectionDep,
    since: Since = None,
) -> Response:
    """Return a cluster by its name; an error if several clusters have it."""
    return answer_json(collection.cluster(name, since=since))


@router.get("/clusters/{cluster}/items", response_model=build_model(Page), responses=document_errors(400, 404))
def list_cluster_items(
    cluster_id: ClusterId,
    collection: CollectionDep,
    page: PageNumber = 1,
    size: PageSize = 100,
) -> Response:
    """Return a page of a cluster's items, the most typical first; `cursor` is the number of the next page.

    Of a cluster of parts, these are the items that hold its parts, each once.
    """
    cluster = collection.cluster(cluster_id)
    check_page(page, size, cluster.size)
    return answer_json(cluster.items(page, size))


@router.get("/clusters/{cluster}/parts", response_model=build_model(PartPage), responses=document_errors(400, 404))
def list_cluster_parts(
    cluster_id: ClusterId, collection: CollectionDep, page: PageNumber = 1, size: PageSize = 100
) -> Response:
    """Return a page of the parts of a cluster of parts, the most typical first; `cursor` is the number of the next
    page."""
    cluster = collection.cluster(cluster_id)
    check_page(page, size, cluster.size)
    return answer_json(cluster.parts(page, size))


@router.patch("/clusters/{cluster}", response_model=build_model(Cluster), responses=document_errors(400, 404, 503))
def rename_cluster(cluster_id: ClusterId, body: ClusterName, collection: CollectionDep) -> Response:
    """Name a cluster, or restore its automatic name."""
    return answer_json(collection.rename(cluster_id, body.name))


@router.post(
    "/recluster",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(503),
    summary="Rebuild the tree of clusters",
)
def rebuild_clusters(state: StateDep) -> Response:
    """Build the tree of clusters again and choose its levels again, as a job; clusters that stay keep their ids."""
    return answer_json(state.jobs.add("recluster", {}), 202)


@router.get("/partitions", response_model=build_list("partitions", Partition, "The partitions, the largest first."))
def list_partitions(collection: CollectionDep) -> Response:
    """Return the partitions of mini-batch k-means; every item is in exactly one."""
    return answer_json({"partitions": [partition.to_dict() for partition in collection.partitions()]})


@router.get("/partitions/{partition}/items", response_model=build_model(Page), responses=document_errors(400, 404))
def list_partition_items(
    partition_id: PartitionId, collection: CollectionDep, page: PageNumber = 1, size: PageSize = 100
) -> Response:
    """Return a page of a partition's items, the most typical first; `cursor` is the number of the next page."""
    partition = next((partition for partition in collection.partitions() if partition.id == partition_id), None)
    if partition is None:
        raise ClusterNotFound(f"there is no partition {partition_id}; `partitions` lists them")
    check_page(page, size, partition.size)
    return answer_json(partition.items(page, size))


@router.get(
    "/events",
    response_model=build_list("events", ClusterEvent, "The events, the oldest first."),
    responses=document_errors(400),
)
def list_cluster_events(
    collection: CollectionDep,
    since: Annotated[int, Query(ge=0, lt=MAX_JSON_INT, description="A change number.")] = 0,
    of: PartKind = None,
) -> Response:
    """Return what happened to clusters after a change number."""
    return answer_json({"events": [event.to_dict() for event in collection.cluster_events(since, of=of)]})


@router.get(
    "/outliers",
    response_model=build_list("outliers", Outlier, "The outliers, the strangest first."),
    responses=document_errors(400),
)
def list_outliers(
    collection: CollectionDep,
    n: Annotated[int, Query(ge=1, le=1000, description="How many.")] = 20,
    of: PartKind = None,
) -> Response:
    """Return the items that are least similar to any other; with `of` the parts, each with its item."""
    return answer_json({"outliers": [outlier.to_dict() for outlier in collection.outliers(n, of=of)]})


@router.get("/clusterings", response_model=build_list("clusterings", NamedClustering, "All named clusterings."))
def list_clusterings(collection: CollectionDep) -> Response:
    """Return all named clusterings."""
    return answer_json({"clusterings": [clustering.to_dict() for clustering in collection.clusterings()]})


@router.post("/clusterings", status_code=202, response_model=build_model(Job), responses=document_errors(400, 503))
def make_clustering(body: ClusteringRequest, state: StateDep) -> Response:
    """Make a clustering, as a job."""
    check_name(body.name)
    parameters_of(body.method, body.k, body.threshold, body.settings or {})
    choice_of(body.sample, body.once_per_copy, body.without_outliers)
    return answer_json(state.jobs.add("cluster", body.model_dump()), 202)


@router.get("/clusterings/{name}", response_model=build_model(NamedClustering), responses=document_errors(404))
def get_clustering(name: ClusteringName, collection: CollectionDep) -> Response:
    """Return a clustering by its name, and how far the collection has drifted from it."""
    return answer_json(collection.clustering(name))


@router.post(
    "/clusterings/{name}/refresh",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(404, 503),
)
def refresh_clustering(name: ClusteringName, state: StateDep) -> Response:
    """Make a clustering again from all present items, as a job."""
    state.collection.clustering(name)
    return answer_json(state.jobs.add("refresh", {"name": name}), 202)


@router.delete("/clusterings/{name}", status_code=204, response_class=Response, responses=document_errors(404, 503))
def drop_clustering(name: ClusteringName, collection: CollectionDep) -> Response:
    """Delete a clustering; the pictures stay."""
    collection.drop_clustering(name)
    return Response(status_code=204)
