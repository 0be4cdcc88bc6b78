"""Vectors and texts: added without pictures, read, and searched with by the thousand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery
from retrieval import AddReport
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import ItemName, JsonInt, RequestBody, ResponseBody, Vector, build_model
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["vectors"])

MAX_NEIGHBOURS = 1_000_000
"""The most neighbours in an answer, of all vectors together."""
LARGE = 20_000
"""Neighbours from which on an answer is large."""
Names = Annotated[list[str | None] | None, Field(max_length=100_000)]
MetadataColumn = dict[str, Any] | Annotated[list[dict[str, Any]], Field(max_length=100_000)] | None


class VectorsToAdd(RequestBody):
    """Ready-made vectors."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"vectors": [[0.6, 0.8], [1.0, 0.0]], "keys": ["a", "b"]}]}
    )

    vectors: list[Vector | None] = Field(max_length=100_000)
    """A vector for each item; null for an item without one as yet, which filters and words find."""
    keys: Names = None
    """A key for each item; a known key gets the new vector and has its metadata merged."""
    metadata: MetadataColumn = None
    """An object for all items, or a list with an object for each."""
    texts: Names = None
    """A text for each item."""
    replace: bool = False
    """Nothing of what known keys held before stays."""


class TextsToAdd(RequestBody):
    """Texts that become items of their own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"texts": ["a harbour at dusk"], "keys": ["note 1"]}]})

    texts: list[str] = Field(min_length=1, max_length=10_000)
    """The texts."""
    keys: Annotated[list[str] | None, Field(max_length=10_000)] = None
    """A key for each text."""
    metadata: MetadataColumn = None
    """An object for all texts, or a list with an object for each."""
    replace: bool = False
    """Nothing of what known keys held before stays."""


class VectorsToRead(RequestBody):
    """Items whose vectors are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [1, 2]}]})

    items: list[ItemName] = Field(max_length=10_000)
    """Items by id or key."""
    space: str | None = None
    """Another embedding space than the current one."""


class ManySearches(RequestBody):
    """Vectors whose nearest items are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"vectors": [[0.6, 0.8], [1.0, 0.0]], "k": 5}]})

    vectors: list[Vector] = Field(min_length=1, max_length=100_000)
    """The vectors, each of the space's dimension."""
    k: JsonInt = 10
    """The number of nearest items of each vector."""
    where: dict[str, Any] | None = None
    """A filter on metadata and on the item's own fields."""
    metric: str | None = None
    """Another metric than the space's own: cosine, ip, l2, l1, minkowski:P. Scores of distances are negated."""
    exact: bool = False
    """Find the nearest for certain; `proved` is then true."""
    space: str | None = None
    """Another embedding space than the current one."""


class ItemVector(ResponseBody):
    """The vector of an item."""

    item: int
    """The item's id."""
    vector: list[float]
    """Its vector."""


class ItemVectors(ResponseBody):
    """The vectors of items."""

    vectors: list[ItemVector]
    """A vector for each item that has one."""


class NeighbourTable(ResponseBody):
    """The nearest items of each vector."""

    ids: list[list[int]]
    """The item ids of each vector, nearest first; -1 where fewer exist."""
    scores: list[list[float | None]]
    """Their scores; null beside -1."""
    as_of: int
    """The change number that the answer belongs to."""
    proved: bool
    """No other item can be nearer to any of the vectors."""


@router.post("/vectors", status_code=201, response_model=build_model(AddReport), responses=document_errors(400, 503))
def add_vectors(body: VectorsToAdd, collection: CollectionDep) -> Response:
    """Add ready-made vectors as items, all of them or none."""
    return answer_json(collection.add_vectors(body.vectors, **body.model_dump(exclude={"vectors"})), 201)


@router.post("/texts", status_code=201, response_model=build_model(AddReport), responses=document_errors(400, 503))
def add_texts(body: TextsToAdd, collection: CollectionDep) -> Response:
    """Add texts as items of their own, where the embedder reads words."""
    return answer_json(collection.add_texts(**body.model_dump()), 201)


@router.post(
    "/items/vectors",
    response_model=ItemVectors,
    responses=document_errors(400, 404),
    summary="Read the vectors of items",
)
def read_vectors(body: VectorsToRead, collection: CollectionDep) -> Response:
    """Return the vectors of items."""
    vectors = collection.vectors(body.items, space=body.space)
    return answer_json({"vectors": [{"item": item_id, "vector": row.tolist()} for item_id, row in vectors.items()]})


@router.post(
    "/search/many",
    response_model=NeighbourTable,
    responses=document_errors(400, 404, 503),
    summary="Search with many vectors",
)
def search_many(body: ManySearches, state: StateDep) -> Response:
    """Return the nearest items of each of many vectors, as tables of ids and scores."""
    count = len(body.vectors) * body.k
    if count > MAX_NEIGHBOURS:
        wanted = f"got {len(body.vectors)} vectors with k={body.k}"
        raise BadQuery(f"an answer holds at most {MAX_NEIGHBOURS:,} neighbours; {wanted}; ask for fewer at a time")
    with state.tables.take(1 if count > LARGE else 0):
        found = state.collection.search_many(body.vectors, **body.model_dump(exclude={"vectors"}))
        scores = found.scores.astype(object)
        scores[found.ids < 0] = None  # JSON has no -inf
        answer = {"ids": found.ids.tolist(), "scores": scores.tolist(), "as_of": found.position}
        return answer_json({**answer, "proved": found.proved})
