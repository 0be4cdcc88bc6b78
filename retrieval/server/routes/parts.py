"""Parts of pictures: what finders have found, and looking for more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery
from indexers.finders.base import load_finder
from retrieval.records.parts import Part
from retrieval.records.reports import Job
from retrieval.server.responses import (
    NOT_MODIFIED,
    answer_json,
    document_errors,
    document_picture,
    matches_etag,
)
from retrieval.server.routes.items import CACHE_CONTROL
from retrieval.server.schemas import ItemId, PartId, RequestBody, ThumbnailEdge, build_list, build_model
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["parts"])


class PartsToFind(RequestBody):
    """Which parts to look for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"finders": ["subject"]}]})

    finders: list[str] = Field(min_length=1, max_length=16)
    """What finds them: subject, regions, tiles ..., one of each kind."""
    retry_failed: bool = False
    """Also in pictures that could not be read before."""


@router.get(
    "/items/{item}/parts",
    response_model=build_list("parts", Part, "The parts, by kind, the surest first."),
    responses=document_errors(404),
)
def list_parts(
    item_id: ItemId,
    collection: CollectionDep,
    kind: Annotated[str | None, Query(description="Only parts of this kind, such as subject.")] = None,
) -> Response:
    """Return the parts that were found in the picture of an item."""
    return answer_json({"parts": [part.to_dict() for part in collection.parts(item_id, kind)]})


@router.get(
    "/parts/{part}/thumbnail",
    response_class=Response,
    responses={**document_picture("image/webp"), **NOT_MODIFIED, **document_errors(400, 404, 422, 503)},
)
def get_part_thumbnail(
    part_id: PartId,
    request: Request,
    state: StateDep,
    edge: ThumbnailEdge,
) -> Response:
    """Return what is in the box of a part, or the page or frame that it is, small, as WebP."""
    key, content = state.thumbnails.get_part(part_id, edge)
    etag = f'"{key}"'
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    if matches_etag(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(content, 200, headers, "image/webp")


@router.post("/jobs/parts", status_code=202, response_model=build_model(Job), responses=document_errors(400, 503))
def find_parts(body: PartsToFind, state: StateDep) -> Response:
    """Look for parts in the pictures in which these finders have not looked yet, as a job."""
    for name in body.finders:
        if not all(part.isidentifier() or part.isdigit() for part in name.split(":")):
            raise BadQuery(f"a finder is a name, such as subject or tiles:3; got {name[:80]!r}")
        load_finder(name)
    return answer_json(state.jobs.add("parts", body.model_dump()), 202)
