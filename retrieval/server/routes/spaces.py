"""Spaces: which embedders' vectors there are, and which of them are searched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict

from retrieval.records.reports import SpaceInfo
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import RequestBody, build_list, build_model
from retrieval.server.state import CollectionDep

router = APIRouter(prefix="/v1", tags=["spaces"])

SpaceName = Annotated[str, Path(alias="name", description="The space's name.")]


class SpaceChoice(RequestBody):
    """How to switch to a space."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"partial": False}]})

    partial: bool = False
    """Switch even if the space lacks the vectors of some items, which then are not found."""


@router.get("/spaces", response_model=build_list("spaces", SpaceInfo, "The spaces."))
def list_spaces(collection: CollectionDep) -> Response:
    """Return the spaces, one for each embedder, and the number of vectors in each."""
    return answer_json({"spaces": [space.to_dict() for space in collection.spaces()]})


@router.post(
    "/spaces/{name:path}/use",
    response_model=build_model(SpaceInfo),
    responses=document_errors(400, 404, 503),
    summary="Switch to a space",
)
def use_space(name: SpaceName, collection: CollectionDep, body: SpaceChoice = SpaceChoice()) -> Response:  # noqa: B008
    """Switch searches and clusters to another space, for everybody."""
    collection.use(name, partial=body.partial)
    return answer_json(next(space for space in collection.spaces() if space.name == name))


@router.delete(
    "/spaces/{name:path}", status_code=204, response_class=Response, responses=document_errors(400, 404, 503)
)
def drop_space(name: SpaceName, collection: CollectionDep) -> Response:
    """Delete a space with its vectors; the pictures stay. The current space can't be deleted."""
    collection.drop_space(name)
    return Response(status_code=204)
