"""Families of pictures, and clusterings by name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from indexers.types import LEVELS
from retrieval import Cluster, ClusterEvent, Clusters, Loose, NamedClustering, Outlier, Page
from retrieval.server.models import Strict, model, several
from retrieval.server.state import Ours, With
from retrieval.server.work import Job

router = APIRouter(tags=["clusters"])

Id = Annotated[int, Field(ge=0, lt=2**62)]
Since = Annotated[int | None, Query(ge=0, lt=2**62, description="A change number: what came after it is new.")]


class Name(Strict):
    """A cluster's name; null takes a given one back."""

    name: str | None


class Making(Strict):
    """A clustering to be made: see Collection.make_clustering."""

    name: str
    method: str = "kmeans"
    k: int | None = None
    threshold: float | None = None
    settings: dict[str, Any] | None = None


class Levels(BaseModel):
    """What `level` may be."""

    levels: list[str]


@router.get("/levels", response_model=Levels)
def levels(collection: Ours) -> Response:
    """The tree's levels, coarse to fine, then clusterings by name."""
    return JSONResponse({"levels": [*LEVELS, *(one.name for one in collection.clusterings())]})


@router.get("/clusters", response_model=model(Clusters))
def clusters(
    collection: Ours,
    level: str | None = None,
    count: int | None = None,
    threshold: float | None = None,
    since: Since = None,
    loose: str = "apart",
) -> Response:
    """The clusters of a level, or of a cut of the tree."""
    cut = count is not None or threshold is not None
    found = (
        collection.cut(count, threshold) if cut else collection.clusters(level or "medium", loose=loose, since=since)
    )
    return JSONResponse(found.to_dict())


@router.get("/clusters/loose", response_model=several("loose", Loose))
def loose(collection: Ours, level: str = "medium", page: Annotated[int, Query(ge=1, le=2**31)] = 1) -> Response:
    """What is in no cluster of a level, a hundred on a page."""
    return JSONResponse({"loose": [one.to_dict() for one in collection.loose(level, page=page)]})


@router.get("/clusters/{cluster}", response_model=model(Cluster))
def one(cluster: Id, collection: Ours, since: Since = None) -> Response:
    """One cluster."""
    return JSONResponse(collection.cluster(cluster, since=since).to_dict())


@router.get("/clusters/{cluster}/items", response_model=model(Page))
def inside(
    cluster: Id,
    collection: Ours,
    page: Annotated[int, Query(ge=1, le=2**31)] = 1,
    size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """What is in a cluster, nearest to its middle first; `cursor` is the next page."""
    return JSONResponse(collection.cluster(cluster).items(page, size).to_dict())


@router.patch("/clusters/{cluster}", response_model=model(Cluster))
def rename(cluster: Id, asked: Name, collection: Ours) -> Response:
    """Give a cluster a name."""
    return JSONResponse(collection.rename(cluster, asked.name).to_dict())


@router.get("/events", response_model=several("events", ClusterEvent))
def events(collection: Ours, since: Annotated[int, Query(ge=0, lt=2**62)] = 0) -> Response:
    """What has happened to clusters after a change number."""
    return JSONResponse({"events": [one.to_dict() for one in collection.cluster_events(since)]})


@router.get("/outliers", response_model=several("outliers", Outlier))
def outliers(collection: Ours, n: Annotated[int, Query(ge=1, le=1000)] = 20) -> Response:
    """What fits nowhere."""
    return JSONResponse({"outliers": [one.to_dict() for one in collection.outliers(n)]})


@router.get("/clusterings", response_model=several("clusterings", NamedClustering))
def clusterings(collection: Ours) -> Response:
    """The clusterings by name."""
    return JSONResponse({"clusterings": [one.to_dict() for one in collection.clusterings()]})


@router.post("/clusterings", status_code=202, response_model=model(Job))
def make(asked: Making, state: With) -> Response:
    """Make a clustering, as a job."""
    return JSONResponse(state.jobs.add("cluster", asked.model_dump()).to_dict(), 202)


@router.post("/clusterings/{name}/refresh", status_code=202, response_model=model(Job))
def refresh(name: str, state: With) -> Response:
    """Make it anew, as a job."""
    state.collection.clustering(name)
    return JSONResponse(state.jobs.add("refresh", {"name": name}).to_dict(), 202)


@router.delete("/clusterings/{name}", status_code=204, response_class=Response)
def drop(name: str, collection: Ours) -> Response:
    """Forget a clustering."""
    collection.drop_clustering(name)
    return Response(status_code=204)
