"""Copies: groups with proof, the proof for people's eyes, and what was decided."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from indexers.errors import BadQuery
from indexers.matching.verification import SAME
from retrieval import DuplicateGroup
from retrieval.records.reports import Job
from retrieval.server.pictures import as_webp
from retrieval.server.responses import answer, picture, refusals
from retrieval.server.schemas import LARGEST, Id, Named, Strict, model, several
from retrieval.server.state import Ours, With

router = APIRouter(prefix="/v1", tags=["duplicates"])

WIDE = 1600


class Decision(Strict):
    """`keep` one of a group and no other, `keep both` of two, or they are `not duplicates`."""

    what: Literal["keep", "keep both", "not duplicates"]
    items: list[Named] = Field(min_length=2, max_length=10_000)
    keep: Named | None = None


class Decided(BaseModel):
    """What `undo` takes."""

    decisions: list[int]


Groups = several("groups", DuplicateGroup, total=int, cursor=int | None)


@router.get("/duplicates", response_model=Groups, responses=refusals(400, 503))
def duplicates(
    collection: Ours,
    threshold: float = SAME,
    rule: str = "kept",
    prefer: str | None = None,
    compare: Annotated[bool, Query(description="First compare what is new, however long that takes.")] = True,
    cursor: Annotated[int, Query(ge=0, lt=LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Which are copies of each other?"""
    found = collection.duplicates(threshold, rule=rule, prefer=prefer, compare=compare)
    shown = [one.to_dict() for one in found[cursor : cursor + limit]]
    after = cursor + limit if cursor + limit < len(found) else None
    return answer({"groups": shown, "total": len(found), "cursor": after})


@router.post("/duplicates/find", status_code=202, response_model=model(Job), responses=refusals(503))
def find(state: With) -> Response:
    """Compare what is new with everything, as a job."""
    return answer(state.jobs.add("duplicates", {}), 202)


OVERLAY = {**picture("image/webp"), **refusals(404, 422, 503)}


@router.get("/duplicates/overlay", response_class=Response, responses=OVERLAY)
def overlay(a: Id, b: Id, collection: Ours) -> Response:
    """Two pictures side by side, and the second laid over the first, with what differs in colour."""
    return Response(as_webp(collection.overlay(a, b), WIDE), media_type="image/webp")


@router.post("/decisions", status_code=201, response_model=Decided, responses=refusals(400, 404, 503))
def decide(asked: Decision, collection: Ours) -> Response:
    """Decide about copies; nothing is deleted."""
    if asked.what == "keep":
        if asked.keep is None:
            raise BadQuery("say which item to keep")
        group = DuplicateGroup(0, "", tuple(asked.items), asked.keep, "", (), 1.0)
        return answer({"decisions": list(collection.decide(group, asked.keep))}, 201)
    if len(asked.items) != 2:
        raise BadQuery(f"{asked.what!r} is about two items; got {len(asked.items)}")
    call = collection.keep_both if asked.what == "keep both" else collection.not_duplicates
    return answer({"decisions": [call(*asked.items)]}, 201)


@router.delete("/decisions/{decision}", status_code=204, response_class=Response, responses=refusals(400, 503))
def undo(decision: Id, collection: Ours) -> Response:
    """Take a decision back."""
    collection.undo(decision)
    return Response(status_code=204)
