"""Parts of pictures: what finders have found, and looking for more."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery
from indexers.finders.base import load_finder
from retrieval.records.parts import Part
from retrieval.records.reports import Job
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import ItemId, RequestBody, build_list, build_model
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


@router.post("/jobs/parts", status_code=202, response_model=build_model(Job), responses=document_errors(400, 503))
def find_parts(body: PartsToFind, state: StateDep) -> Response:
    """Look for parts in the pictures in which these finders have not looked yet, as a job."""
    for name in body.finders:
        if not all(part.isidentifier() or part.isdigit() for part in name.split(":")):
            raise BadQuery(f"a finder is a name, such as subject or tiles:3; got {name[:80]!r}")
        load_finder(name)
    return answer_json(state.jobs.add("parts", body.model_dump()), 202)
