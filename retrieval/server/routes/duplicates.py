"""Duplicates: groups with proof, the proof for people's eyes, and decisions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Query, Response, UploadFile
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery
from indexers.matching.verification import SAME
from indexers.pictures import images
from retrieval import DuplicateGroup, Match, Merge
from retrieval.duplicates.finder import check_threshold
from retrieval.duplicates.identical import mark_identical
from retrieval.records.reports import Job
from retrieval.server.budget import TooBusy
from retrieval.server.responses import answer_json, answer_page, document_errors, document_picture
from retrieval.server.schemas import (
    MAX_JSON_INT,
    DecisionId,
    ItemId,
    JsonId,
    RequestBody,
    ResponseBody,
    build_list,
    build_model,
)
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["duplicates"])

OVERLAY_EDGE = 1600
"""Pixels of an overlay's longer edge, at most."""
COMPARE_SECONDS = 20.0
"""How long a request compares pictures. What was compared stays so."""
QueriedId = Annotated[int, Query(ge=0, lt=MAX_JSON_INT, description="An item's id.")]

Threshold = Annotated[float, Query(description="How sure it must be that two pictures are the same, 0 to 1.")]


Rules = bool | dict[str, str | JsonId | list[JsonId]]
"""Whether, or by which rules by key, the item that is kept takes over what the others say."""


class KeptOf(RequestBody):
    """A group, and which of it is kept."""

    items: list[JsonId] = Field(min_length=1, max_length=10_000)
    """The items, by id."""
    keep: JsonId
    """The item to keep."""


class MergeRequest(RequestBody):
    """What would be merged, by which rules."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"groups": [{"items": [3, 7, 8], "keep": 7}], "merge": {"rating": "first"}}]}
    )

    groups: list[KeptOf] = Field(max_length=10_000)
    """The groups of duplicates."""
    merge: Rules = True
    """true for the usual rules; or by key union, first, longest, earliest, greatest, own or ask, or the id of the item
    whose value is taken."""


class DecisionRequest(RequestBody):
    """A decision about items of a group."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"what": "keep", "items": [3, 7, 8], "keep": 7}]})

    what: Literal["keep", "keep both", "not duplicates"]
    """keep: one of the items and no other; keep both: of two items; not duplicates: the two are different pictures."""
    items: list[JsonId] = Field(min_length=2, max_length=10_000)
    """The items, by id."""
    keep: JsonId | None = None
    """The item to keep."""
    merge: Rules = False
    """Whether it takes over what the others say: as for POST /v1/duplicates/merges."""


class DecisionIds(ResponseBody):
    """The decisions that were made."""

    decisions: list[int]
    """Their ids, for taking them back."""


MergeList = build_list("merges", Merge, "One for each group of several items.")
MatchList = build_list("matches", Match, "The items, the surest first.")
DuplicatePage = build_list(
    "groups",
    DuplicateGroup,
    "The groups of this page.",
    total=Annotated[int, Field(description="The number of all groups.")],
    cursor=Annotated[int | None, Field(description="Where the next page begins; null on the last.")],
)


def limit_comparing(seconds: float) -> Callable[[int, int], None]:
    """Return what raises TooBusy when it is told of progress after so many seconds, and something is left to do."""
    end = time.monotonic() + seconds

    def check_time(done: int, total: int) -> None:
        if done < total and time.monotonic() > end:
            raise TooBusy(
                f"{total - done:,} steps of comparing pictures are left; ask again, or with compare=false for what is "
                "known, or have POST /v1/duplicates/find do it"
            )

    return check_time


@router.get("/duplicates", response_model=DuplicatePage, responses=document_errors(400, 503))
def list_duplicates(
    state: StateDep,
    threshold: Threshold = SAME,
    rule: Annotated[str, Query(description="How pairs become groups: kept, connected or every pair.")] = "kept",
    prefer: Annotated[str | None, Query(description="Which item to suggest to keep, such as oldest.")] = None,
    compare: Annotated[
        bool, Query(description="First compare what is new; answered with 503 when that takes long.")
    ] = True,
    cursor: Annotated[
        int, Query(ge=0, lt=MAX_JSON_INT, description="The `cursor` of the page before; omit for the first.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Groups per page.")] = 100,
) -> Response:
    """Return groups of pictures that are duplicates of each other."""
    with state.large.take(1 if compare else 0):
        progress = limit_comparing(COMPARE_SECONDS)
        groups = state.collection.duplicates(threshold, rule=rule, prefer=prefer, compare=compare, progress=progress)
    return answer_page("groups", groups, cursor, limit)


@router.post(
    "/duplicates/of",
    response_model=MatchList,
    responses=document_errors(400, 503),
    openapi_extra={
        "requestBody": {"content": {"multipart/form-data": {"example": {"picture": "new.jpg", "threshold": 0.9}}}}
    },
    summary="Find the duplicates of a picture",
)
def find_duplicates_of_picture(
    picture: Annotated[UploadFile, File(description="The picture's file.")],
    state: StateDep,
    threshold: Annotated[float, Form(description="How sure it must be that two pictures are the same, 0 to 1.")] = SAME,
) -> Response:
    """Return the items that a picture is a duplicate of, the surest first: is it there already? It is not added."""
    check_threshold(threshold)
    with state.large.take(1):
        content = picture.file.read()
        matches = state.collection.duplicates_of(state.decoder.decode(content, 0), threshold=threshold)
    same = state.collection.walk(where={"hash": images.hash_content(content).hex(), "missing": False})
    matches = mark_identical(matches, same)
    return answer_json({"matches": [match.to_dict() for match in matches]})


@router.get(
    "/items/{item}/duplicates",
    response_model=MatchList,
    responses=document_errors(400, 404, 422, 503),
    summary="Find the duplicates of an item",
)
def find_duplicates_of_item(item_id: ItemId, state: StateDep, threshold: Threshold = SAME) -> Response:
    """Return the items that an item is a duplicate of, the surest first."""
    with state.large.take(1):
        matches = state.collection.duplicates_of(state.collection.get(item_id).id, threshold=threshold)
    return answer_json({"matches": [match.to_dict() for match in matches]})


@router.post(
    "/duplicates/find",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(503),
    summary="Compare new pictures with all others",
)
def find_duplicates(state: StateDep) -> Response:
    """Compare what is new with everything, as a job."""
    return answer_json(state.jobs.add("duplicates", {}), 202)


@router.get(
    "/duplicates/overlay",
    response_class=Response,
    responses={**document_picture("image/webp"), **document_errors(404, 422, 503)},
    summary="Overlay two pictures",
)
def get_overlay(a: QueriedId, b: QueriedId, state: StateDep) -> Response:
    """Return two pictures side by side, and the second laid over the first with what differs in colour."""
    with state.large.take(1):
        return Response(images.encode_webp(state.collection.overlay(a, b), OVERLAY_EDGE), media_type="image/webp")


@router.post(
    "/duplicates/merges",
    response_model=MergeList,
    responses=document_errors(400, 404),
    summary="Plan what the picture that is kept takes over",
)
def plan_merges(body: MergeRequest, collection: CollectionDep) -> Response:
    """Return what the item that is kept of each group would take over from the others. Nothing is changed."""
    groups = [_build_group(group.items, group.keep) for group in body.groups]
    for group in groups:
        if group.keep not in group.items:
            raise BadQuery(f"the item {group.keep} is not in the group; its items are {list(group.items)}")
    return answer_json({"merges": [merge.to_dict() for merge in collection.plan_merges(groups, body.merge)]})


def _build_group(item_ids: list[int], keep: int) -> DuplicateGroup:
    return DuplicateGroup(0, "", tuple(item_ids), keep, "", (), 1.0)


@router.post(
    "/decisions",
    status_code=201,
    response_model=DecisionIds,
    responses=document_errors(400, 404, 503),
    summary="Decide about duplicates",
)
def make_decision(body: DecisionRequest, collection: CollectionDep) -> Response:
    """Decide about duplicates; nothing is deleted."""
    if body.what == "keep":
        if body.keep is None:
            raise BadQuery("say which item to keep")
        group = _build_group(body.items, body.keep)
        return answer_json({"decisions": list(collection.decide(group, body.keep, merge=body.merge))}, 201)
    if body.merge:
        raise BadQuery(f"{body.what!r} merges nothing; leave merge out, or decide to keep one")
    if len(body.items) != 2:
        raise BadQuery(f"{body.what!r} is about two items; got {len(body.items)}")
    decide_pair = collection.keep_both if body.what == "keep both" else collection.not_duplicates
    return answer_json({"decisions": [decide_pair(*body.items)]}, 201)


@router.delete(
    "/decisions/{decision}",
    status_code=204,
    response_class=Response,
    responses=document_errors(400, 503),
    summary="Take a decision back",
)
def undo_decision(decision_id: DecisionId, collection: CollectionDep) -> Response:
    """Take a decision back."""
    collection.undo(decision_id)
    return Response(status_code=204)
