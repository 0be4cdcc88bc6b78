"""Asking: what looks like this?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Request, Response, UploadFile
from pydantic import BaseModel, Field

from indexers.errors import BadQuery
from retrieval import Hit, Info, __version__, item, text
from retrieval.records.search import Group
from retrieval.server.guard import same, token_of
from retrieval.server.pictures import EDGES, as_webp
from retrieval.server.responses import answer, picture, refusals
from retrieval.server.schemas import Named, Number, Strict, described, model, several
from retrieval.server.state import State, With

router = APIRouter(prefix="/v1", tags=["search"])

Name = Annotated[Named | str, Field(description="An item's id or key.")]
Clusters = Annotated[list[Named] | None, Field(description="Clusters, by id.", max_length=10_000)]
Vector = Annotated[list[float] | None, Field(max_length=65_536)]
Count = Number | None


class Part(Strict):
    """A part of a mix: one of them."""

    item: Name | None = None
    text: str | None = None
    vector: Vector = None
    upload: str | None = None
    weight: float = 1.0


class Question(Strict):
    """One of `item`, `text`, `vector`, `upload` and `mix`, and/or `query`; the rest as of Collection.search."""

    item: Name | None = None
    text: str | None = None
    vector: Vector = None
    upload: str | None = None
    mix: list[Part] | None = Field(None, max_length=100)
    query: str | None = None
    k: Count = None
    radius: float | None = None
    where: dict[str, Any] | None = None
    metric: str | None = None
    diversify: float | None = None
    within: Clusters = None
    exclude: Clusters = None
    per_cluster: Count = None
    group: bool = False
    level: str | None = None
    space: str | None = None


class Uploaded(BaseModel):
    """A picture to ask with: name it as `upload` of a question within an hour."""

    upload: str
    width: int
    height: int


class Server(BaseModel):
    """What serves the collection. `writable`: the caller may change it; `guarded`: tokens are asked for; `watching`:
    the names of the folders that are kept indexed."""

    version: str
    writable: bool
    guarded: bool
    watching: list[str]


Found = several("hits", Hit, groups=list[model(Group)], as_of=int)  # type: ignore[misc]


@router.post("/search", response_model=Found, responses=refusals(400, 404, 503))
def search(asked: Question, state: With) -> Response:
    """What looks like this? The hits, best first."""
    how = asked.model_dump(exclude={"item", "text", "vector", "upload", "mix"})
    one: dict[str, Any] = {"item": asked.item, "text": asked.text, "vector": asked.vector}
    image = state.uploads.get(asked.upload) if asked.upload is not None else None
    mix = None if asked.mix is None else [(_part(part, state), part.weight) for part in asked.mix]
    return answer(state.collection.search(image, mix=mix, **one, **how))


def _part(part: Part, state: State) -> Any:
    given = part.model_dump(exclude={"weight"}, exclude_none=True)
    if len(given) != 1:
        raise BadQuery(f"a part of a mix is one of item, text, vector and upload; got {' and '.join(given) or 'none'}")
    if part.upload is not None:
        return state.uploads.get(part.upload)
    if part.vector is not None:
        return part.vector
    return text(part.text) if part.text is not None else item(part.item)  # type: ignore[arg-type]


@router.post("/uploads", status_code=201, response_model=Uploaded, responses=refusals(503))
def upload(picture: Annotated[UploadFile, File()], state: With) -> Response:
    """Send a picture to ask with; it is not added to the collection."""
    name, image = state.uploads.put(picture.file.read())
    return answer({"upload": name, "width": image.width, "height": image.height}, 201)


@router.get("/uploads/{name}/thumbnail", response_class=Response, responses={**picture("image/webp"), **refusals(404)})
def uploaded(name: str, state: With) -> Response:
    """The picture that was sent, small."""
    return Response(as_webp(state.uploads.get(name), EDGES[0]), media_type="image/webp")


@router.get("/info", response_model=described("Serving", model(Info, "path"), server=Server))
def info(request: Request, state: With) -> Response:
    """What the collection holds, and what this caller may do."""
    found = state.collection.info().to_dict()
    del found["path"]
    served = state.served
    server = Server(
        version=__version__,
        writable=not served.guarded or same(token_of(request.headers, request.method), served.write_token),
        guarded=served.guarded,
        watching=[folder.resolve().name for folder in served.watch],
    )
    return answer({**found, "server": server.model_dump()})
