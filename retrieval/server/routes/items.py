"""Items: pages of them, their pictures; adding, updating, removing."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from pydantic import ConfigDict, Field

from indexers.errors import BadFilter, BadMetadata, BadQuery, UsageError
from retrieval import AddReport, Item, Page
from retrieval.items.sources import check_columns
from retrieval.server.pictures import BROWSER_TYPES
from retrieval.server.responses import (
    NOT_MODIFIED,
    PARTIAL,
    answer_bytes,
    answer_json,
    check_page,
    document_errors,
    document_picture,
    matches_etag,
)
from retrieval.server.schemas import (
    MAX_JSON_INT,
    ItemId,
    JsonId,
    RequestBody,
    ResponseBody,
    ThumbnailEdge,
    build_model,
    refuse_odd_texts,
)
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["items"])

CACHE_CONTROL = "private, max-age=3600"
"""An item may get another picture: then its ETag is another one."""
Where = Annotated[str | None, Query(description='A filter, as JSON, such as {"width": {"$gte": 500}}.')]


class ItemUpdate(RequestBody):
    """What to change of an item."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"metadata": {"album": "2024"}, "text": "a harbour"}]})

    metadata: dict[str, Any] | None = None
    """Metadata to merge into the item's."""
    replace: bool = False
    """Replace the item's metadata instead of merging into it."""
    text: str | None = None
    """The item's new text."""


class ItemRemoval(RequestBody):
    """Which items to remove: with both fields, those that meet both."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"where": {"missing": True}}]})

    items: list[JsonId | str] | None = Field(None, max_length=10_000)
    """Items by id or key."""
    where: dict[str, Any] | None = None
    """A filter; an empty one holds for all items."""
    purge: bool = False
    """Delete them for good, at once."""


class ItemsUpdate(RequestBody):
    """What to change of all items that meet a filter."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"metadata": {"album": "2024"}, "where": {"album": {"$exists": False}}}]}
    )

    metadata: dict[str, Any] = Field(default={})
    """Metadata to merge into each item's."""
    extend: dict[str, list[Any]] = Field(default={})
    """Values that lists in the metadata gain, by key, such as tags."""
    reduce: dict[str, list[Any]] = Field(default={})
    """Values that lists in the metadata lose, by key."""
    where: dict[str, Any]
    """A filter; an empty one holds for all items."""


class Updated(ResponseBody):
    """The outcome of an update of several items."""

    updated: int
    """How many items meet the filter."""


class Count(ResponseBody):
    """A number of items."""

    count: int
    """How many items meet the filter."""


class Removed(ResponseBody):
    """The outcome of a removal."""

    removed: int
    """How many items were removed."""


def parse_json(text: str | None, error_class: type[Exception], name: str) -> Any:
    """Parse JSON from a query or a form; None for None. `name` is what a message calls it."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise error_class(f"{name} must be JSON: {error}") from error
    refuse_odd_texts(value, name)
    return value


@router.get("/items", response_model=build_model(Page), responses=document_errors(400))
def list_items(
    collection: CollectionDep,
    where: Where = None,
    cursor: Annotated[
        int | None, Query(ge=0, lt=MAX_JSON_INT, description="The `cursor` of the page before; omit for the first.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Items per page.")] = 100,
    page: Annotated[int | None, Query(ge=1, le=2**31, description="Page number, instead of a cursor.")] = None,
) -> Response:
    """Return a page of items in order of id; its `cursor` leads to the next."""
    condition = parse_json(where, BadFilter, "where")
    items = collection.items(where=condition, cursor=cursor, limit=limit, page=page)
    if page is not None and not items:
        check_page(page, limit, collection.count(where=condition))
    return answer_json(items)


@router.get("/count", response_model=Count, responses=document_errors(400))
def count_items(collection: CollectionDep, where: Where = None) -> Response:
    """Count the items that meet a filter."""
    return answer_json({"count": collection.count(where=parse_json(where, BadFilter, "where"))})


@router.get(
    "/item", response_model=build_model(Item), responses=document_errors(404), summary="Get an item by its key or path"
)
def get_item_by_key(
    key: Annotated[str, Query(description="The item's key or path.")], collection: CollectionDep
) -> Response:
    """Return an item by its key or path."""
    return answer_json(collection.get(key))


@router.get("/items/{item}", response_model=build_model(Item), responses=document_errors(404))
def get_item(item_id: ItemId, collection: CollectionDep) -> Response:
    """Return an item by its id."""
    return answer_json(collection.get(item_id))


@router.post(
    "/items",
    status_code=201,
    response_model=build_model(AddReport),
    responses=document_errors(400, 503),
    openapi_extra={
        "requestBody": {
            "content": {
                "multipart/form-data": {
                    "example": {"pictures": ["a.jpg", "b.jpg"], "keys": ["a", "b"], "metadata": '{"album": "2024"}'}
                }
            }
        }
    },
    summary="Add pictures",
)
def add_items(
    pictures: Annotated[list[UploadFile], File(description="The pictures' files.")],
    state: StateDep,
    metadata: Annotated[
        str | None, Form(description="As JSON: an object for all pictures, or a list with an object for each.")
    ] = None,
    keys: Annotated[
        list[str] | None, Form(description="A key for each picture; a known key replaces its picture.")
    ] = None,
    texts: Annotated[list[str] | None, Form(description="A text for each picture.")] = None,
) -> Response:
    """Add pictures by sending them; they are kept beside the collection."""
    values = parse_json(metadata, BadMetadata, "metadata")
    if any(column is not None and len(column) != len(pictures) for column in (keys, texts)):
        raise UsageError(f"give one key and one text for each of the {len(pictures)} pictures, or none")
    for place, column in (("keys", keys), ("texts", texts)):
        refuse_odd_texts(column, place)
    names = [picture.filename or "" for picture in pictures]
    columns = values if isinstance(values, list) else [{} if values is None else values] * len(pictures)
    check_columns(len(pictures), columns, keys, texts)
    with state.large.take(1):
        contents = [picture.file.read() for picture in pictures]
        with state.added_files.keep(state.collection, contents, names, keys) as paths:
            contents.clear()
            report = state.collection.add(paths, metadata=columns, keys=keys, texts=texts)
    return answer_json(report, 201)


@router.patch("/items/{item}", response_model=build_model(Item), responses=document_errors(400, 404, 503))
def update_item(item_id: ItemId, body: ItemUpdate, collection: CollectionDep) -> Response:
    """Change an item's metadata or text."""
    if body.metadata is None and body.text is None:
        raise BadQuery("give metadata or text to change")
    return answer_json(collection.update(item_id, body.metadata, text=body.text, replace=body.replace))


@router.patch(
    "/items", response_model=Updated, responses=document_errors(400, 503), summary="Update all items that meet a filter"
)
def update_items(body: ItemsUpdate, collection: CollectionDep) -> Response:
    """Merge metadata into all items that meet a filter, at once."""
    updated = collection.update_all(body.metadata, where=body.where, extend=body.extend, reduce=body.reduce)
    return answer_json({"updated": updated})


@router.delete("/items/{item}", status_code=204, response_class=Response, responses=document_errors(404, 503))
def remove_item(
    item_id: ItemId,
    collection: CollectionDep,
    purge: Annotated[bool, Query(description="Delete it for good, at once.")] = False,
) -> Response:
    """Remove an item; it can be restored for a while. A file that was added by path is never touched."""
    collection.remove(item_id, purge=purge)
    return Response(status_code=204)


@router.post(
    "/items/remove", response_model=Removed, responses=document_errors(400, 404, 503), summary="Remove several items"
)
def remove_items(body: ItemRemoval, collection: CollectionDep) -> Response:
    """Remove several items, or all that meet a filter; they can be restored for a while."""
    if body.items is None and body.where is None:
        raise BadQuery("give items, where or both; to remove everything: an empty filter")
    return answer_json({"removed": collection.remove(body.items, where=body.where, purge=body.purge)})


@router.get(
    "/items/{item}/picture",
    response_class=Response,
    responses={
        **document_picture(*BROWSER_TYPES.values(), "application/octet-stream"),
        **NOT_MODIFIED,
        **PARTIAL,
        **document_errors(404, 422),
    },
)
def get_picture(item_id: ItemId, request: Request, state: StateDep) -> Response:
    """Return an item's picture as it was added."""
    item = state.collection.get(item_id)
    etag = f'"{item.hash or item.id}"'
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    if matches_etag(request, etag):
        return Response(status_code=304, headers=headers)
    with state.thumbnails.hold(item):
        original = state.thumbnails.get_original(item)
        headers["Content-Disposition"] = "inline" if original.inline else "attachment"
        return answer_bytes(request, original.content, original.media_type, headers)


@router.get(
    "/items/{item}/thumbnail",
    response_class=Response,
    responses={**document_picture("image/webp"), **NOT_MODIFIED, **PARTIAL, **document_errors(400, 404, 422, 503)},
)
def get_thumbnail(
    item_id: ItemId,
    request: Request,
    state: StateDep,
    edge: ThumbnailEdge,
) -> Response:
    """Return an item's picture, small, as WebP."""
    item = state.collection.get(item_id)
    etag = f'"{item.hash or item.id}-{edge}"'
    headers = {"ETag": etag, "Cache-Control": CACHE_CONTROL}
    if matches_etag(request, etag):
        return Response(status_code=304, headers=headers)
    return answer_bytes(request, state.thumbnails.get(item, edge), "image/webp", headers)
