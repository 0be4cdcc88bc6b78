"""The trash: removed items, which can be restored or deleted for good."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field

from retrieval.records.items import TrashedItem
from retrieval.server.responses import answer_json, document_errors
from retrieval.server.schemas import JsonId, RequestBody, ResponseBody, build_list
from retrieval.server.state import CollectionDep

router = APIRouter(prefix="/v1/trash", tags=["trash"])

TrashedItemList = build_list("items", TrashedItem, "The removed items, the newest removal first.")


class Restoration(RequestBody):
    """Which removed items to restore."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [7]}]})

    items: list[JsonId | str] = Field(max_length=10_000)
    """Removed items by id or key."""


class Emptying(RequestBody):
    """Which removed items to delete for good."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [7]}]})

    items: list[JsonId | str] | None = Field(max_length=10_000)
    """Removed items by id or key; null: all."""


class Restored(ResponseBody):
    """What was restored."""

    restored: int
    """The number of items."""


class Deleted(ResponseBody):
    """What was deleted for good."""

    deleted: int
    """The number of items."""


@router.get("", response_model=TrashedItemList, responses=document_errors(503))
def list_trash(collection: CollectionDep) -> Response:
    """Return the removed items that can be restored."""
    return answer_json({"items": [item.to_dict() for item in collection.trash()]})


@router.post("/restore", response_model=Restored, responses=document_errors(400, 404, 503))
def restore_items(body: Restoration, collection: CollectionDep) -> Response:
    """Bring removed items back as they were."""
    return answer_json({"restored": collection.restore(body.items)})


@router.post("/empty", response_model=Deleted, responses=document_errors(400, 404, 503))
def empty_trash(body: Emptying, collection: CollectionDep) -> Response:
    """Delete removed items for good."""
    return answer_json({"deleted": collection.empty_trash(body.items)})
