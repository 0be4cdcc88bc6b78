"""Asking: what looks like this?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from indexers.errors import BadQuery
from retrieval import Hit, Info, __version__, item, text
from retrieval.clusters import Group
from retrieval.server.answers import picture
from retrieval.server.guard import same, token_of
from retrieval.server.models import Strict, model, several, told
from retrieval.server.state import State, With

router = APIRouter(tags=["search"])

Name = Annotated[int | str, Field(description="An item's id or key.")]


class Part(Strict):
    """A part of a mix: one of them."""

    item: Name | None = None
    text: str | None = None
    vector: list[float] | None = None
    upload: str | None = None
    weight: float = 1.0


class Question(Strict):
    """One of `item`, `text`, `vector`, `upload` and `mix`, and/or `query`; the rest as of Collection.search."""

    item: Name | None = None
    text: str | None = None
    vector: list[float] | None = None
    upload: str | None = None
    mix: list[Part] | None = None
    query: str | None = None
    k: int | None = None
    radius: float | None = None
    where: dict[str, Any] | None = None
    diversify: float | None = None
    within: list[int] | None = None
    exclude: list[int] | None = None
    per_cluster: int | None = None
    group: bool = False
    level: str | None = None
    space: str | None = None


class Uploaded(BaseModel):
    """A picture to ask with: name it as `upload` of a question within an hour."""

    upload: str
    width: int
    height: int


class Serving(BaseModel):
    """`writable`: the caller may change things. `guarded`: tokens are asked for."""

    version: str
    writable: bool
    guarded: bool


Found = several("hits", Hit, groups=list[model(Group)], as_of=int)  # type: ignore[misc]


@router.post("/search", response_model=Found)
def search(asked: Question, state: With) -> Response:
    """What looks like this? The hits, best first."""
    how = asked.model_dump(exclude={"item", "text", "vector", "upload", "mix"})
    one: dict[str, Any] = {"item": asked.item, "text": asked.text, "vector": asked.vector}
    image = state.uploads.get(asked.upload).image if asked.upload is not None else None
    mix = None if asked.mix is None else [(_part(part, state), part.weight) for part in asked.mix]
    return JSONResponse(state.collection.search(image, mix=mix, **one, **how).to_dict())


def _part(part: Part, state: State) -> Any:
    given = part.model_dump(exclude={"weight"}, exclude_none=True)
    if len(given) != 1:
        raise BadQuery(f"a part of a mix is one of item, text, vector and upload; got {' and '.join(given) or 'none'}")
    if part.upload is not None:
        return state.uploads.get(part.upload).image
    if part.vector is not None:
        return part.vector
    return text(part.text) if part.text is not None else item(part.item)  # type: ignore[arg-type]


@router.post("/uploads", status_code=201, response_model=Uploaded)
def upload(picture: Annotated[UploadFile, File()], state: With) -> Response:
    """Send a picture to ask with; it is not added to the collection."""
    name, image = state.uploads.put(picture.file.read())
    return JSONResponse({"upload": name, "width": image.width, "height": image.height}, 201)


@router.get("/uploads/{name}/thumbnail", response_class=Response, responses=picture("image/webp"))
def uploaded(name: str, state: With) -> Response:
    """The picture that was sent, small."""
    return Response(state.uploads.get(name).thumbnail, media_type="image/webp")


@router.get("/info", response_model=told(Info, server=Serving))
def info(request: Request, state: With) -> Response:
    """What the collection holds, and what this caller may do."""
    served = state.served
    writable = not served.guarded or same(token_of(request.headers, request.method), served.write_token)
    server = Serving(version=__version__, writable=writable, guarded=served.guarded)
    return JSONResponse({**state.collection.info().to_dict(), "server": server.model_dump()})
