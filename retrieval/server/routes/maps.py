"""The map: a place for every item, near to what it is like, where it stays."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadFilter
from retrieval.records.maps import CollectionMap, Territory
from retrieval.records.reports import Job
from retrieval.server.responses import Responses, answer_json, document_errors
from retrieval.server.routes.items import Where, parse_json
from retrieval.server.schemas import RequestBody, ResponseBody, build_model
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1/map", tags=["map"])

POINTS: Responses = {
    200: {
        "description": "Little-endian arrays, one after another: ids (int32), x and y (float32), clusters of coarse, "
        "medium and fine (int32, 0: none), each as long as there are items on the map.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class MapFacts(ResponseBody):
    """What is known of the map beside its points."""

    count: int
    """The number of items on it."""
    as_of: int
    """The change number that it follows."""
    built: int
    """The change number at which all places were laid out anew; 0: it was not laid out yet."""
    territories: list[build_model(Territory)]  # type: ignore[valid-type]
    """Where the clusters lie, the largest first in each level."""


class MapRequest(RequestBody):
    """Whether to lay the map out anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"rebuild": False}]})

    rebuild: bool = Field(default=False)
    """Lay all places out anew, turned to lie as before."""


@router.get("", response_model=MapFacts, responses=document_errors(503))
def get_map(collection: CollectionDep) -> Response:
    """Return what is known of the map; `POST /v1/map` lays it out where it was not yet."""
    drawn = collection.map(build=False)
    territories = [territory.to_dict() for territory in drawn.territories]
    facts = {"count": len(drawn.items), "as_of": drawn.as_of, "built": drawn.built}
    return answer_json({**facts, "territories": territories})


@router.get("/points", response_class=Response, responses={**POINTS, **document_errors(400, 503)})
def get_map_points(collection: CollectionDep, where: Where = None) -> Response:
    """Return the items on the map with their places and clusters, as arrays."""
    condition = parse_json(where, BadFilter, "where")
    return Response(pack_points(collection.map(where=condition, build=False)), media_type="application/octet-stream")


@router.get(
    "/picture",
    response_class=Response,
    responses={
        200: {"description": "The map.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **document_errors(503),
    },
)
def get_map_picture(
    collection: CollectionDep,
    edge: Annotated[int, Query(ge=200, le=4000, description="Pixels of its width and height.")] = 1600,
) -> Response:
    """Return the map as a picture."""
    from retrieval.pages.map import render_png

    return Response(render_png(collection.map(build=False), edge), media_type="image/png")


@router.post(
    "", status_code=202, response_model=build_model(Job), responses=document_errors(503), summary="Lay out the map"
)
def lay_out_map(state: StateDep, body: MapRequest = MapRequest()) -> Response:  # noqa: B008
    """Lay out the map, as a job; one that was laid out is followed without."""
    return answer_json(state.jobs.add("map", body.model_dump()), 202)


def pack_points(drawn: CollectionMap) -> bytes:
    """Return the points as arrays, one after another."""
    columns = [drawn.clusters[:, level] for level in range(drawn.clusters.shape[1])]
    ints = [np.ascontiguousarray(values, "<i4").tobytes() for values in (drawn.items, *columns)]
    floats = [np.ascontiguousarray(values, "<f4").tobytes() for values in (drawn.x, drawn.y)]
    return b"".join([ints[0], *floats, *ints[1:]])
