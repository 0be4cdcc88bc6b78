"""Stacks: pictures that belong together and are no copies."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from retrieval.records.stacks import Stack
from retrieval.server.responses import answer_json, answer_page, document_errors
from retrieval.server.routes.duplicates import COMPARE_SECONDS, limit_comparing
from retrieval.server.schemas import MAX_JSON_INT, JsonId, RequestBody, ResponseBody, build_list
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1/stacks", tags=["stacks"])

StackPage = build_list(
    "stacks",
    Stack,
    "The stacks of this page.",
    total=Annotated[int, Field(description="The number of all stacks, of the kind if one is named.")],
    cursor=Annotated[int | None, Field(description="Where the next page begins; null on the last.")],
)


class CoverChoice(RequestBody):
    """Which item is the cover of a stack."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kind": "burst", "items": [3, 7, 8], "cover": 7}]})

    kind: str
    """The stack's kind."""
    items: list[JsonId] = Field(min_length=2, max_length=10_000)
    """The stack's items, by id."""
    cover: JsonId
    """The item to be the cover."""


class CoverDecision(ResponseBody):
    """The decision that was made."""

    decision: int
    """Its id, for taking it back."""


@router.get("", response_model=StackPage, responses=document_errors(400, 503))
def list_stacks(
    state: StateDep,
    kind: Annotated[str | None, Query(description="Only stacks of this kind, such as burst.")] = None,
    compare: Annotated[
        bool, Query(description="First compare what is new; answered with 503 when that takes long.")
    ] = True,
    cursor: Annotated[
        int, Query(ge=0, lt=MAX_JSON_INT, description="The `cursor` of the page before; omit for the first.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Stacks per page.")] = 100,
) -> Response:
    """Return pictures that belong together: series of shots, files of one exposure, and what was made of a picture."""
    with state.large.take(1 if compare else 0):
        stacks = state.collection.stacks(kind, compare=compare, progress=limit_comparing(COMPARE_SECONDS))
    return answer_page("stacks", stacks, cursor, limit)


@router.post("/cover", status_code=201, response_model=CoverDecision, responses=document_errors(400, 404, 503))
def choose_cover(body: CoverChoice, collection: CollectionDep) -> Response:
    """Make an item the cover of its stack, for good: also when pictures come to it."""
    stack = Stack(0, body.kind, tuple(body.items), body.cover, "")
    return answer_json({"decision": collection.choose_cover(stack, body.cover)}, 201)
