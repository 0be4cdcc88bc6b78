"""What the graph of neighbours tells: ways between pictures, what lies around them, summaries."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from retrieval.records.structure import NeighbourPath, Summary
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.routes.search import ClusterNames, SearchAnswer, find_clusters
from retrieval.server.schemas import MAX_JSON_INT, ItemName, JsonInt, RequestBody, build_model
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["structure"])

MAX_PICTURES = 1000
"""Pictures of one answer, at most."""


class AroundRequest(RequestBody):
    """Pictures, and how far around them to look."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [3, 7], "hops": 2, "k": 20}]})

    items: list[ItemName] = Field(min_length=1, max_length=1000)
    """Items, by id or key."""
    hops: JsonInt = 2
    """Steps from neighbour to neighbour, at most."""
    k: JsonInt = Field(20, le=MAX_PICTURES)
    """The number of pictures."""


class SummaryRequest(RequestBody):
    """How many pictures shall stand for which ones."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"k": 12, "where": {"album": "2024"}}]})

    k: JsonInt = Field(20, le=MAX_PICTURES)
    """The number of pictures."""
    where: dict[str, Any] | None = None
    """A filter on metadata and on the item's own fields."""
    within: ClusterNames = None
    """Only items in these clusters, by id or name, or in these partitions."""
    continue_from: list[ItemName] | None = Field(None, max_length=1000)
    """Items that are chosen already, by id or key."""


@router.get("/path", response_model=build_model(NeighbourPath), responses=document_errors(400, 404, 503))
def find_path(
    a: Annotated[int, Query(ge=0, lt=MAX_JSON_INT, description="The id of the item to start at.")],
    b: Annotated[int, Query(ge=0, lt=MAX_JSON_INT, description="The id of the item to end at.")],
    collection: CollectionDep,
    kind: Annotated[str, Query(description="widest, by the strongest links, or shortest.")] = "widest",
) -> Response:
    """Return a way from one picture to another, over pictures that are nearest neighbours of each other."""
    return answer_json(collection.path_between(a, b, kind=kind))


@router.post("/around", response_model=SearchAnswer, responses=document_errors(400, 404, 503))
def list_around(body: AroundRequest, collection: CollectionDep) -> Response:
    """Return what a random walk among neighbours, begun again and again at some pictures, meets most often."""
    return answer_json(collection.around(body.items, body.hops, k=body.k))


@router.post("/summary", response_model=build_model(Summary), responses=document_errors(400, 404, 503))
def choose_summary(body: SummaryRequest, state: StateDep) -> Response:
    """Choose pictures that stand for all: each picture has one like it among them."""
    within = find_clusters(body.within, state)
    chosen = state.collection.summary(body.k, where=body.where, within=within, continue_from=body.continue_from)
    return answer_json(chosen)
