"""Families of pictures, and clusterings by name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from indexers.types import LEVELS
from retrieval import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier, Page
from retrieval.clusters.named import check_name, choice_of, parameters_of
from retrieval.records.reports import Job
from retrieval.server.responses import answer, refusals
from retrieval.server.schemas import LARGEST, Id, Number, Strict, model, several
from retrieval.server.state import Ours, With

router = APIRouter(prefix="/v1", tags=["clusters"])

Since = Annotated[int | None, Query(ge=0, lt=LARGEST, description="A change number: what came after it is new.")]


class Name(Strict):
    """A cluster's name; null takes a given one back."""

    name: str | None


class Making(Strict):
    """A clustering to be made: see Collection.make_clustering."""

    name: str
    method: str = "kmeans"
    k: Number | None = None
    threshold: float | None = None
    settings: dict[str, Any] | None = None
    sample: Number | None = None
    once_per_copy: bool = False
    without_outliers: float = 0.0


class Levels(BaseModel):
    """What `level` may be."""

    levels: list[str]


@router.get("/levels", response_model=Levels)
def levels(collection: Ours) -> Response:
    """The tree's levels, coarse to fine, then clusterings by name."""
    return answer({"levels": [*LEVELS, *(one.name for one in collection.clusterings())]})


@router.get("/clusters", response_model=model(Clusters), responses=refusals(400))
def clusters(
    collection: Ours,
    level: str | None = None,
    count: Annotated[int | None, Query(gt=-LARGEST, lt=LARGEST)] = None,
    threshold: float | None = None,
    since: Since = None,
    loose: str = "apart",
) -> Response:
    """The clusters of a level, or of a cut of the tree."""
    cut = count is not None or threshold is not None
    found = (
        collection.cut(count, threshold) if cut else collection.clusters(level or "medium", loose=loose, since=since)
    )
    return answer(found)


@router.get("/clusters/loose", response_model=several("loose", Loose), responses=refusals(400))
def loose(collection: Ours, level: str = "medium", page: Annotated[int, Query(ge=1, le=2**31)] = 1) -> Response:
    """What is in no cluster of a level, a hundred on a page."""
    return answer({"loose": [one.to_dict() for one in collection.loose(level, page=page)]})


@router.get("/clusters/{cluster}", response_model=model(Cluster), responses=refusals(404))
def one(cluster: Id, collection: Ours, since: Since = None) -> Response:
    """One cluster."""
    return answer(collection.cluster(cluster, since=since))


@router.get("/clusters/{cluster}/items", response_model=model(Page), responses=refusals(404))
def inside(
    cluster: Id,
    collection: Ours,
    page: Annotated[int, Query(ge=1, le=2**31)] = 1,
    size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """What is in a cluster, nearest to its middle first; `cursor` is the next page."""
    return answer(collection.cluster(cluster).items(page, size))


@router.patch("/clusters/{cluster}", response_model=model(Cluster), responses=refusals(400, 404, 503))
def rename(cluster: Id, asked: Name, collection: Ours) -> Response:
    """Give a cluster a name."""
    return answer(collection.rename(cluster, asked.name))


@router.get("/events", response_model=several("events", ClusterEvent))
def events(collection: Ours, since: Annotated[int, Query(ge=0, lt=LARGEST)] = 0) -> Response:
    """What has happened to clusters after a change number."""
    return answer({"events": [one.to_dict() for one in collection.cluster_events(since)]})


@router.get("/outliers", response_model=several("outliers", Outlier))
def outliers(collection: Ours, n: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """What fits nowhere."""
    return answer({"outliers": [one.to_dict() for one in collection.outliers(n)]})


@router.get("/clusterings", response_model=several("clusterings", NamedClustering))
def clusterings(collection: Ours) -> Response:
    """The clusterings by name."""
    return answer({"clusterings": [one.to_dict() for one in collection.clusterings()]})


@router.post("/clusterings", status_code=202, response_model=model(Job), responses=refusals(400, 503))
def make(asked: Making, state: With) -> Response:
    """Make a clustering, as a job."""
    check_name(asked.name)
    parameters_of(asked.method, asked.k, asked.threshold, asked.settings or {})
    choice_of(asked.sample, asked.once_per_copy, asked.without_outliers)
    return answer(state.jobs.add("cluster", asked.model_dump()), 202)


@router.post("/clusterings/{name}/refresh", status_code=202, response_model=model(Job), responses=refusals(404, 503))
def refresh(name: str, state: With) -> Response:
    """Make it anew, as a job."""
    state.collection.clustering(name)
    return answer(state.jobs.add("refresh", {"name": name}), 202)


@router.delete("/clusterings/{name}", status_code=204, response_class=Response, responses=refusals(404, 503))
def drop(name: str, collection: Ours) -> Response:
    """Forget a clustering."""
    collection.drop_clustering(name)
    return Response(status_code=204)
