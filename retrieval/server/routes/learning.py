"""What is learned from labels, and what it suggests."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from indexers.errors import BadFilter
from retrieval.records.learning import Lesson, Suggestion, Suggestions
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.routes.duplicates import DecisionIds
from retrieval.server.routes.items import Where, parse_json
from retrieval.server.routes.structure import MAX_PICTURES
from retrieval.server.schemas import ItemName, RequestBody, build_list, build_model
from retrieval.server.state import CollectionDep

router = APIRouter(prefix="/v1", tags=["learning"])


class LearnRequest(RequestBody):
    """What is to be learned."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "dogs", "labels": "kind"}]})

    name: str = Field(min_length=1, max_length=200)
    """Its name."""
    method: str = "auto"
    """A classifier, or auto."""
    labels: str | None = None
    """Where labels are: a metadata key, a level, a clustering, or folder."""
    settings: dict[str, Any] | None = None
    """Settings of the method."""


class LabelRequest(RequestBody):
    """What items are, or are not."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lesson": "dogs", "items": [3, 7], "accepted": True}]})

    lesson: str = Field(min_length=1, max_length=200)
    """The name of what is learned."""
    items: list[ItemName] = Field(min_length=1, max_length=10_000)
    """Items, by id or key."""
    accepted: bool
    """Whether they are it."""
    value: str | None = None
    """The class, where there are more than yes and no."""


@router.get("/lessons", response_model=build_list("lessons", Lesson, "All that is learned, by name."))
def list_lessons(collection: CollectionDep) -> Response:
    """Return all that is learned, as good as it is now."""
    return answer_json({"lessons": [lesson.to_dict() for lesson in collection.lessons()]})


@router.post("/lessons", status_code=201, response_model=build_model(Lesson), responses=document_errors(400, 503))
def learn_lesson(body: LearnRequest, collection: CollectionDep) -> Response:
    """Learn to tell pictures apart by labels, and keep that under a name."""
    lesson = collection.learn(body.name, method=body.method, labels=body.labels, settings=body.settings)
    return answer_json(lesson, 201)


@router.get("/suggestions", response_model=build_model(Suggestions), responses=document_errors(400, 404, 503))
def list_suggestions(
    collection: CollectionDep,
    lesson: Annotated[str, Query(min_length=1, max_length=200, description="The name of what is learned.")],
    k: Annotated[int, Query(le=MAX_PICTURES, description="Pictures, at most.")] = 20,
    value: Annotated[str | None, Query(description="Only suggest this class.")] = None,
    at_most_wrong: Annotated[float | None, Query(description="The share that may be wrong, on average.")] = None,
    where: Where = None,
) -> Response:
    """Return what pictures without a label may be, and those whose answer would teach most."""
    condition = parse_json(where, BadFilter, "where")
    return answer_json(collection.suggest(lesson, k, value=value, at_most_wrong=at_most_wrong, where=condition))


@router.get(
    "/labels/doubtful",
    response_model=build_list("suggestions", Suggestion, "Pictures whose labels are likely wrong."),
    responses=document_errors(400, 404, 503),
)
def list_doubtful_labels(
    collection: CollectionDep,
    lesson: Annotated[str, Query(min_length=1, max_length=200, description="The name of what is learned.")],
    k: Annotated[int, Query(le=MAX_PICTURES, description="Pictures, at most.")] = 20,
) -> Response:
    """Return pictures whose labels are likely wrong, the most doubtful first, with what is likelier."""
    return answer_json({"suggestions": [row.to_dict() for row in collection.doubtful_labels(lesson, k)]})


@router.post("/labels", status_code=201, response_model=DecisionIds, responses=document_errors(400, 404, 503))
def give_labels(body: LabelRequest, collection: CollectionDep) -> Response:
    """Say what items are, or are not; `DELETE /v1/decisions/{decision}` takes it back."""
    give = collection.accept if body.accepted else collection.reject
    return answer_json({"decisions": [give(body.lesson, body.items, value=body.value)]}, 201)
