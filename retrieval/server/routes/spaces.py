"""Spaces: which embedders' vectors there are, and which of them are searched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import ConfigDict

from retrieval.records.reports import Job, SpaceInfo
from retrieval.server.job_kinds import check_embedder
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import RequestBody, build_list, build_model
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["spaces"])

SpaceName = Annotated[str, Path(alias="name", description="The space's name.")]


class SpaceToFill(RequestBody):
    """An embedder whose space is to be filled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"embedder": "clip"}]})

    embedder: str
    """The embedder, by a name that `nearkin embedders` lists; none with an argument."""


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
    "/spaces",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(400, 503),
    summary="Fill a second space",
)
def fill_space(body: SpaceToFill, state: StateDep) -> Response:
    """Embed every item with another embedder, as a job; searches go on in the current space."""
    check_embedder(body.embedder)
    return answer_json(state.jobs.add("fill", body.model_dump()), 202)


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
