"""Searching: what looks like this?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Path, Request, Response, UploadFile
from pydantic import ConfigDict, Field

from indexers.errors import BadQuery, ClusterNotFound
from indexers.pictures import images
from retrieval import Hit, Info, __version__, item, text
from retrieval.records.pictures import THUMBNAIL_EDGES
from retrieval.records.search import Group
from retrieval.server.guard import find_token, matches_token
from retrieval.server.responses import answer_json, document_errors, document_picture
from retrieval.server.schemas import (
    ItemName,
    JsonId,
    JsonInt,
    RequestBody,
    ResponseBody,
    Vector,
    build_answer,
    build_list,
    build_model,
)
from retrieval.server.state import State, StateDep

router = APIRouter(prefix="/v1", tags=["search"])

MAX_MIXED_UPLOADS = 16
"""Different uploads in one mix, at most."""


class MixTerm(RequestBody):
    """A term of a mix: one of `item`, `text`, `vector` and `upload`, and its weight."""

    item: ItemName | None = None
    """An item's id or key."""
    text: str | None = None
    """What is seen in a picture."""
    vector: Vector | None = None
    """A vector of the space's dimension."""
    upload: str | None = None
    """The id of an upload."""
    weight: float = 1.0
    """A negative weight pushes away."""


class PartitionOf(RequestBody):
    """A partition of mini-batch k-means, whose ids are others than those of clusters."""

    partition: JsonId
    """The partition's id."""


ClusterNames = Annotated[list[JsonId | str | PartitionOf] | None, Field(max_length=10_000)]


class SearchRequest(RequestBody):
    """A search: one of `item`, `text`, `vector`, `upload` and `mix`, and/or `query`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"item": 1, "k": 10, "where": {"width": {"$gte": 500}}, "per_cluster": 2}]}
    )

    item: ItemName | None = None
    """An item's id or key; the item itself is not among the hits."""
    text: str | None = None
    """What is seen in a picture, where the embedder reads words."""
    vector: Vector | None = None
    """A vector of the space's dimension."""
    upload: str | None = None
    """The id of an upload."""
    mix: list[MixTerm] | None = Field(None, max_length=100)
    """Weighted terms of any kind."""
    query: str | None = None
    """Words that an item's own text and metadata say."""
    k: JsonInt | None = None
    """The number of hits (20), or of groups (10)."""
    radius: float | None = None
    """Everything with at least this score."""
    where: dict[str, Any] | None = None
    """A filter on metadata and on the item's own fields."""
    metric: str | None = None
    """Another metric than the space's own: cosine, ip, l2, l1, minkowski:P. Scores of distances are negated."""
    exact: bool = False
    """Find the nearest for certain: `proof` then says that no other item can be nearer."""
    at_least: str | float | None = None
    """How sure a hit has to be: "certain", "likely", "possible", or a number: 1000 for 1 in 1,000 by chance."""
    rerank: str | None = None
    """"diffusion" ranks by how much of what is near to the query is near to a picture."""
    by: str | None = None
    """Compare parts of pictures, of a kind that was looked for, such as subject."""
    region: list[float] | None = Field(None, min_length=4, max_length=4)
    """A box (x, y, width, height) in pixels of the upload, or of the item's picture, which asks alone."""
    diversify: float | None = None
    """0 to 1: trades similarity for variety."""
    pool: JsonInt | None = None
    """The number of nearest items that `diversify` chooses from (4 k, at least 64)."""
    within: ClusterNames = None
    """Only items in these clusters, by id or name, or in these partitions."""
    exclude: ClusterNames = None
    """No items in these clusters, by id or name, or in these partitions."""
    per_cluster: JsonInt | None = None
    """The most hits from one cluster."""
    group: bool = False
    """Also return the clusters that the best hits are in."""
    level: str | None = None
    """Cluster level for `group` and `per_cluster`."""
    space: str | None = None
    """Another embedding space than the current one."""


class Upload(ResponseBody):
    """A picture to search with, within an hour."""

    upload: str
    """The upload's id: give it as `upload` of a search."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""


class ServerInfo(ResponseBody):
    """What serves the collection."""

    version: str
    """The version of nearkin."""
    writable: bool
    """The caller may change the collection."""
    guarded: bool
    """Requests need a token."""
    watching: list[str]
    """The names of the folders that are kept indexed."""


SearchAnswer = build_list(
    "hits",
    Hit,
    "The hits, best first.",
    groups=Annotated[
        list[build_model(Group)],  # type: ignore[misc]
        Field(description="If asked for, the clusters that the best hits are in, best first."),
    ],
    as_of=Annotated[int, Field(description="The change number that the answer belongs to.")],
    proof=Annotated[str | None, Field(description="What was shown of the hits, such as: no other item can be nearer.")],
    unknown_words=Annotated[
        list[str], Field(description="Words about pictures that the embedder does not know and has left out.")
    ],
)
InfoAnswer = build_answer(
    "ServedInfo", build_model(Info, "path"), server=Annotated[ServerInfo, Field(description="What serves it.")]
)


@router.post(
    "/search",
    response_model=SearchAnswer,
    responses=document_errors(400, 404, 503),
    summary="Search by picture, item, words or vector",
)
def search(body: SearchRequest, state: StateDep) -> Response:
    """Return what looks like a picture, an item, a text, a vector or a mix of them, best first."""
    options = body.model_dump(exclude={"item", "text", "vector", "upload", "mix", "within", "exclude"})
    options |= {"within": find_clusters(body.within, state), "exclude": find_clusters(body.exclude, state)}
    query: dict[str, Any] = {"item": body.item, "text": body.text, "vector": body.vector}
    terms = None if body.mix is None else merge_uploads(body.mix)
    uploads = [body.upload, *(term.upload for term in terms or ())]
    with state.uploads.hold(sum(upload is not None for upload in uploads)):
        image = state.uploads.get(body.upload) if body.upload is not None else None
        mix = None if terms is None else [(_resolve_term(term, state), term.weight) for term in terms]
        return answer_json(state.collection.search(image, mix=mix, **query, **options))


def merge_uploads(terms: list[MixTerm]) -> list[MixTerm]:
    """Return the terms of a mix with those of one upload as one, whose weight is the sum. Raises BadQuery."""
    merged: list[MixTerm] = []
    for term in terms:
        known = next((other for other in merged if term.upload is not None and other.upload == term.upload), None)
        _check_term(term)
        if known is None:
            merged.append(term.model_copy())
        else:
            known.weight += term.weight
    merged = [term for term in merged if term.upload is None or term.weight] or merged
    if sum(term.upload is not None for term in merged) > MAX_MIXED_UPLOADS:
        raise BadQuery(f"a mix takes up to {MAX_MIXED_UPLOADS} uploads")
    return merged


def _check_term(term: MixTerm) -> None:
    fields = term.model_dump(exclude={"weight"}, exclude_none=True)
    if len(fields) != 1:
        raise BadQuery(f"a term of a mix is one of item, text, vector and upload; got {' and '.join(fields) or 'none'}")


def find_clusters(names: Any, state: State) -> Any:
    """Return clusters as `Collection.search` takes them. Raises ClusterNotFound for an unknown partition."""
    if not any(isinstance(name, PartitionOf) for name in names or ()):
        return names
    partitions = {partition.id: partition for partition in state.collection.partitions()}
    for name in names:
        if isinstance(name, PartitionOf) and name.partition not in partitions:
            raise ClusterNotFound(f"there is no partition {name.partition}; `partitions` lists them")
    return [partitions[name.partition] if isinstance(name, PartitionOf) else name for name in names]


def _resolve_term(term: MixTerm, state: State) -> Any:
    """Return a term as `Collection.search` takes it."""
    if term.upload is not None:
        return state.uploads.get(term.upload)
    if term.vector is not None:
        return term.vector
    return text(term.text) if term.text is not None else item(term.item)  # type: ignore[arg-type]


@router.post(
    "/uploads",
    status_code=201,
    response_model=Upload,
    responses=document_errors(503),
    openapi_extra={"requestBody": {"content": {"multipart/form-data": {"example": {"picture": "query.jpg"}}}}},
    summary="Upload a picture to search with",
)
def upload_picture(
    picture: Annotated[UploadFile, File(description="The picture's file.")], state: StateDep
) -> Response:
    """Send a picture to search with; it is not added to the collection."""
    with state.decoder.memory.take(picture.size or 0):
        upload_id, image = state.uploads.save(picture.file.read())
    return answer_json({"upload": upload_id, "width": image.width, "height": image.height}, 201)


@router.get(
    "/uploads/{name}/thumbnail",
    response_class=Response,
    responses={**document_picture("image/webp"), **document_errors(404)},
)
def get_upload_thumbnail(
    upload_id: Annotated[str, Path(alias="name", description="The upload's id.")], state: StateDep
) -> Response:
    """Return an upload, small, as WebP."""
    with state.uploads.hold(1):
        return Response(images.encode_webp(state.uploads.get(upload_id), THUMBNAIL_EDGES[0]), media_type="image/webp")


@router.get("/info", response_model=InfoAnswer, summary="Describe the collection")
def get_info(request: Request, state: StateDep) -> Response:
    """Return what the collection holds, and what this caller may do."""
    info = state.collection.info().to_dict()
    del info["path"]
    settings = state.settings
    token = find_token(request.headers, request.method)
    server = ServerInfo(
        version=__version__,
        writable=not settings.has_tokens or matches_token(token, settings.write_token),
        guarded=settings.has_tokens,
        watching=[folder.resolve().name for folder in settings.watch],
    )
    return answer_json({**info, "server": server.model_dump()})
