"""Items: looked at page by page, shown, added, changed, removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from pydantic import Field

from indexers.errors import BadFilter, BadMetadata, BadQuery, UsageError
from retrieval import AddReport, Collection, Item, Page
from retrieval.server.pictures import EDGES, SHOWN
from retrieval.server.responses import PART, SAME, answer, part, picture, refusals, tagged
from retrieval.server.schemas import LARGEST, Id, Named, Strict, described, model
from retrieval.server.state import Ours, With

router = APIRouter(prefix="/v1", tags=["items"])

AGE = "private, max-age=3600"
"""An item may get another picture: then its ETag is another one."""
Where = Annotated[str | None, Query(description="A filter, as JSON.")]


class Change(Strict):
    """Metadata to be merged into the item's (`replace`: put in its place), and its text."""

    metadata: dict[str, Any] | None = None
    replace: bool = False
    text: str | None = None


class Removing(Strict):
    """Items by id or key, or all that a filter holds for; with both: those of these."""

    items: list[Named | str] | None = Field(None, max_length=10_000)
    where: dict[str, Any] | None = None


def parsed(text: str | None, kind: type[Exception], what: str) -> Any:
    """JSON from a query or a form."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise kind(f"{what} is JSON; this is not: {error}") from error


@router.get("/items", response_model=model(Page), responses=refusals(400))
def items(
    collection: Ours,
    where: Where = None,
    cursor: Annotated[int | None, Query(ge=0, lt=LARGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """A page of items in order of id; `cursor` of the answer is the next one."""
    return answer(collection.items(where=parsed(where, BadFilter, "where"), cursor=cursor, limit=limit))


@router.get("/count", response_model=described("Count", count=int), responses=refusals(400))
def count(collection: Ours, where: Where = None) -> Response:
    """How many items a filter holds for."""
    return answer({"count": collection.count(where=parsed(where, BadFilter, "where"))})


@router.get("/item", response_model=model(Item), responses=refusals(404))
def named(collection: Ours, key: Annotated[str, Query(description="A key, or a path.")]) -> Response:
    """One item by its key."""
    return answer(collection.get(key))


@router.get("/items/{item}", response_model=model(Item), responses=refusals(404))
def one(item: Id, collection: Ours) -> Response:
    """One item."""
    return answer(collection.get(item))


@router.post("/items", status_code=201, response_model=model(AddReport), responses=refusals(400, 503))
def add(
    pictures: Annotated[list[UploadFile], File()],
    state: With,
    metadata: Annotated[str | None, Form(description="An object for all, or a list of one each, as JSON.")] = None,
    keys: Annotated[list[str] | None, Form()] = None,
    texts: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Add pictures by sending them; they are kept beside the collection."""
    said = parsed(metadata, BadMetadata, "metadata")
    if any(column is not None and len(column) != len(pictures) for column in (keys, texts)):
        raise UsageError(f"keys and texts are one for each of the {len(pictures)} pictures")
    called = [one.filename or "" for one in pictures]
    places = state.added.put([one.file.read() for one in pictures], called, keys)
    each = said if isinstance(said, list) else [said or {}] * len(places)
    return answer(state.collection.add(places, metadata=each, keys=keys, texts=texts), 201)


@router.patch("/items/{item}", response_model=model(Item), responses=refusals(400, 404, 503))
def change(item: Id, asked: Change, collection: Ours) -> Response:
    """Change an item's metadata or text."""
    if asked.metadata is None and asked.text is None:
        raise BadQuery("give metadata or text to change")
    return answer(collection.update(item, asked.metadata, text=asked.text, replace=asked.replace))


@router.delete("/items/{item}", status_code=204, response_class=Response, responses=refusals(404, 503))
def remove(item: Id, state: With) -> Response:
    """Remove an item from the collection; a file that was added by its path is never touched."""
    gone = state.collection.get(item)
    state.collection.remove(item)
    state.added.drop(gone)
    return Response(status_code=204)


@router.post("/items/remove", response_model=described("Removed", removed=int), responses=refusals(400, 404, 503))
def remove_many(asked: Removing, state: With) -> Response:
    """Remove several items, or all that a filter holds for."""
    if asked.items is None and asked.where is None:
        raise BadQuery("give items, where or both; to remove everything: an empty filter")
    ours = [one for one in _meant(asked, state.collection) if state.added.holds(one)]
    removed = state.collection.remove(asked.items, where=asked.where)
    for one in ours:
        if not state.collection.count(where={"id": one.id}):
            state.added.drop(one)
    return answer({"removed": removed})


def _meant(asked: Removing, collection: Collection) -> Iterator[Item]:
    """Those that may be removed, and others."""
    if asked.items is not None:
        yield from collection.get(asked.items)
        return
    cursor: int | None = 0
    while cursor is not None:
        page = collection.items(where=asked.where, cursor=cursor, limit=1000)
        yield from page.items
        cursor = page.cursor


@router.get(
    "/items/{item}/picture",
    response_class=Response,
    responses={**picture(*SHOWN.values(), "application/octet-stream"), **SAME, **PART, **refusals(404, 422)},
)
def original(item: Id, request: Request, state: With) -> Response:
    """The picture as it lies there."""
    found = state.collection.get(item)
    tag = f'"{found.hash or found.id}"'
    headers = {"ETag": tag, "Cache-Control": AGE}
    if tagged(request, tag):
        return Response(status_code=304, headers=headers)
    shown = state.thumbnails.original(found)
    headers["Content-Disposition"] = "inline" if shown.inline else "attachment"
    return part(request, shown.content, shown.kind, headers)


@router.get(
    "/items/{item}/thumbnail",
    response_class=Response,
    responses={**picture("image/webp"), **SAME, **PART, **refusals(400, 404, 422, 503)},
)
def thumbnail(
    item: Id, request: Request, state: With, edge: Annotated[int, Query(json_schema_extra={"enum": list(EDGES)})] = 320
) -> Response:
    """The picture, small, as WebP."""
    if edge not in EDGES:
        raise BadQuery(f"thumbnails have edges of {', '.join(map(str, EDGES))} pixels; got {edge}")
    found = state.collection.get(item)
    tag = f'"{found.hash or found.id}-{edge}"'
    headers = {"ETag": tag, "Cache-Control": AGE}
    if tagged(request, tag):
        return Response(status_code=304, headers=headers)
    return part(request, state.thumbnails.get(found, edge), "image/webp", headers)
