"""Items: looked at page by page, shown, added, changed, removed."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import Field

from indexers.errors import BadFilter, BadMetadata, BadQuery
from retrieval import AddReport, Item, Page
from retrieval.server.answers import part, picture, tagged
from retrieval.server.models import Strict, model
from retrieval.server.pictures import EDGES, SHOWN, kept
from retrieval.server.state import Ours, With

router = APIRouter(tags=["items"])

FOREVER = "private, max-age=31536000, immutable"
Id = Annotated[int, Field(ge=0, lt=2**62)]


class Change(Strict):
    """Metadata to be merged into the item's (`replace`: put in its place), and its text."""

    metadata: dict[str, Any] | None = None
    replace: bool = False
    text: str | None = None


def parsed(text: str | None, kind: type[Exception], what: str) -> Any:
    """JSON from a query or a form."""
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise kind(f"{what} is JSON; this is not: {error}") from error


@router.get("/items", response_model=model(Page))
def items(
    collection: Ours,
    where: Annotated[str | None, Query(description="A filter, as JSON.")] = None,
    cursor: Annotated[int | None, Query(ge=0, lt=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """A page of items in order of id; `cursor` of the answer is the next one."""
    page = collection.items(where=parsed(where, BadFilter, "where"), cursor=cursor, limit=limit)
    return JSONResponse(page.to_dict())


@router.get("/items/{item}", response_model=model(Item))
def one(item: Id, collection: Ours) -> Response:
    """One item."""
    return JSONResponse(collection.get(item).to_dict())


@router.post("/items", status_code=201, response_model=model(AddReport))
def add(
    pictures: Annotated[list[UploadFile], File()],
    state: With,
    metadata: Annotated[str | None, Form(description="An object for all, or a list of one each, as JSON.")] = None,
    keys: Annotated[list[str] | None, Form()] = None,
    texts: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Add pictures by sending them; they are kept in the collection's folder."""
    said = parsed(metadata, BadMetadata, "metadata") or {}
    each = said if isinstance(said, list) else [said] * len(pictures)
    contents = [one.file.read() for one in pictures]
    for content in contents:
        state.isolated.decode(content, 64)  # where it can do no harm, before anything else looks at it
    folder = state.collection.path / "pictures"
    paths = [kept(folder, content, one.filename or "") for one, content in zip(pictures, contents, strict=True)]
    report = state.collection.add(paths, metadata=each, keys=keys, texts=texts)
    return JSONResponse(report.to_dict(), 201)


@router.patch("/items/{item}", response_model=model(Item))
def change(item: Id, asked: Change, collection: Ours) -> Response:
    """Change an item's metadata or text."""
    if asked.metadata is None and asked.text is None:
        raise BadQuery("give metadata or text to change")
    found = collection.update(item, asked.metadata, text=asked.text, replace=asked.replace)
    return JSONResponse(found.to_dict())


@router.delete("/items/{item}", status_code=204, response_class=Response)
def remove(item: Id, collection: Ours) -> Response:
    """Remove an item from the collection; its file is never touched."""
    collection.remove(item)
    return Response(status_code=204)


@router.get("/items/{item}/picture", response_class=Response, responses=picture(*SHOWN.values()))
def original(item: Id, request: Request, state: With) -> Response:
    """The picture as it lies there."""
    found = state.collection.get(item)
    tag = f'"{found.hash or found.id}"'
    headers = {"ETag": tag, "Cache-Control": FOREVER}
    if tagged(request, tag):
        return Response(status_code=304, headers=headers)
    shown = state.thumbnails.original(found)
    headers["Content-Disposition"] = "inline" if shown.inline else "attachment"
    return part(request, shown.content, shown.kind, headers)


@router.get("/items/{item}/thumbnail", response_class=Response, responses=picture("image/webp"))
def thumbnail(
    item: Id, request: Request, state: With, edge: Annotated[int, Query(json_schema_extra={"enum": list(EDGES)})] = 320
) -> Response:
    """The picture, small, as WebP."""
    if edge not in EDGES:
        raise BadQuery(f"thumbnails have edges of {', '.join(map(str, EDGES))} pixels; got {edge}")
    found = state.collection.get(item)
    tag = state.thumbnails.tag(found, edge)
    headers = {"ETag": tag, "Cache-Control": FOREVER}
    if tagged(request, tag):
        return Response(status_code=304, headers=headers)
    return part(request, state.thumbnails.get(found, edge), "image/webp", headers)
