"""What the client and a server exchange: requests, pictures, problems."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar, cast
from urllib.parse import quote

import numpy as np
from PIL.Image import Image, fromarray

from indexers import errors
from indexers.errors import BadQuery, MissingPackage, NearkinError, NotFound, Unavailable, UnreadablePicture, UsageError
from indexers.files import replace_file
from indexers.pictures import images
from indexers.types import Json
from retrieval.checks import is_whole
from retrieval.filters import to_json
from retrieval.records.clusters import Cluster, Partition
from retrieval.records.codec import from_json, slug
from retrieval.records.items import Page
from retrieval.records.parts import PartPage
from retrieval.records.pictures import THUMBNAIL_EDGES

try:
    import httpx
except ImportError as error:
    raise MissingPackage("the client needs httpx: pip install 'nearkin[client]'") from error

T = TypeVar("T")
Where = Mapping[str, Any] | None

CLIENT_HEADER = {"X-Nearkin": "client"}
TYPE_PREFIX = "urn:nearkin:"
ERROR_BY_STATUS: dict[int, type[NearkinError]] = {404: NotFound, 413: errors.PictureTooLarge, 503: Unavailable}
MEMBERS_PAGE = 1000
COUNT_HEADER = "X-Nearkin-Items"
"""The header of an export that tells the number of its items."""


class NotAllowed(UsageError):
    """The server needs a token, or another one."""


class PageBeyondLast(UsageError):
    """There is no page of that number. The methods return an empty one, as those of a Collection do."""


class ServerFault(NearkinError):
    """An error in the server; its log has the details."""


class Connection:
    """Requests to one server. May be used from several threads at once."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60.0, **options: Any) -> None:
        headers = CLIENT_HEADER | ({} if token is None else {"Authorization": f"Bearer {token}"})
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, **options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, **params: Any) -> Json:
        return self._request("GET", path, params={name: value for name, value in params.items() if value is not None})

    def _get_page(self, path: str, **params: Any) -> Page:
        """Return a page of items, an empty one beyond the last."""
        try:
            return cast(Page, from_json(Page, self._get(path, **params)))
        except PageBeyondLast:
            return Page((), None, self._get("/readyz")["change"])

    def _post(self, path: str, body: Any) -> Json:
        return self._request("POST", path, json=body)

    def _request(self, method: str, path: str, **options: Any) -> Json:
        """Return the JSON of the response, empty without a body. Raises what the server's problem document says.

        json: the body of the request; numbers of numpy's are taken in it.
        """
        if "json" in options:
            options |= {"content": encode_json(options.pop("json")), "headers": {"Content-Type": "application/json"}}
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise Unavailable(f"{self._http.base_url} does not respond: {error}") from error
        if response.is_error:
            raise build_error(response)
        return cast(Json, response.json() if response.content else {})

    def _get_bytes(self, path: str, **params: Any) -> bytes:
        """Return the body of a response that is no JSON."""
        with self._stream(path, **params) as response:
            return cast(bytes, response.read())

    def _download(self, path: str, target: Path, **params: Any) -> int:
        """Write the body of a response to a file, whole or not at all. Return the number of items in it."""
        with self._stream(path, **params) as response, replace_file(target) as partial, partial.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)
            return int(response.headers[COUNT_HEADER])

    @contextmanager
    def _stream(self, path: str, **params: Any) -> Iterator[Any]:
        """Yield the response, which is read as it comes; it may take long to begin."""
        given = {name: value for name, value in params.items() if value is not None}
        try:
            with self._http.stream("GET", path, params=given, timeout=None) as response:
                if response.is_error:
                    response.read()
                    raise build_error(response)
                yield response
        except httpx.TransportError as error:
            raise Unavailable(f"{self._http.base_url} does not respond: {error}") from error


class ServedPictures:
    """The pictures of a server's items, or of its parts, for the records that show them."""

    def __init__(self, get_bytes: Callable[..., bytes], topic: str = "items") -> None:
        self._get_bytes, self._topic = get_bytes, topic

    def load(self, item_id: int, edge: int = 0) -> Image:
        """Return the picture of an item, its longer edge at least `edge` pixels (0: in full).

        Raises UnreadablePicture.
        """
        if self._topic == "parts":
            largest = next((size for size in THUMBNAIL_EDGES if size >= edge > 0), THUMBNAIL_EDGES[-1])
            return images.as_picture(self._get_bytes(f"/v1/parts/{item_id}/thumbnail", edge=largest), edge)
        return images.as_picture(self._get_bytes(f"/v1/items/{item_id}/picture"), edge)

    def make_thumbnail(self, item_id: int, edge: int = THUMBNAIL_EDGES[0]) -> bytes:
        """Return a WebP of an item's picture, its longer edge at most `edge` pixels. Raises UnreadablePicture."""
        served = next((size for size in THUMBNAIL_EDGES if size >= edge), None)
        if served is None:
            return images.encode_webp(self.load(item_id, edge), edge)
        content = self._get_bytes(f"/v1/{self._topic}/{item_id}/thumbnail", edge=served)
        return content if served == edge else images.encode_webp(images.as_picture(content), edge)


def build_error(response: Any) -> NearkinError:
    """Return the library's own error for a problem document, or the nearest for any other response."""
    try:
        problem = response.json()
        kind, detail = str(problem["type"]).removeprefix(TYPE_PREFIX), str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        kind, detail = "", f"the server answers with status {response.status_code}"
    if error_class := find_error_class(kind):
        return error_class(detail)
    if kind == slug(PageBeyondLast):
        return PageBeyondLast(detail)
    if response.status_code in (401, 403):
        return NotAllowed(detail)
    otherwise = UsageError if response.status_code < 500 else ServerFault
    return ERROR_BY_STATUS.get(response.status_code, otherwise)(detail)


def find_error_class(kind: str) -> type[NearkinError] | None:
    """Return the library's error of that name (`bad-query`), None if it has none."""
    known = {slug(error): error for error in vars(errors).values() if isinstance(error, type)}
    return known.get(kind)


class LazyMembers:
    """The ids of a cluster's items, or parts, fetched when they are read."""

    def __init__(self, get_page: Callable[[Any, int, int], Page | PartPage]) -> None:
        self._get_page = get_page

    def tolist(self) -> list[int]:
        """Return the ids, sorted."""
        item_ids: list[int] = []
        number: int | None = 1
        while number is not None:
            page = self._get_page(None, number, MEMBERS_PAGE)
            item_ids, number = [*item_ids, *(row.id for row in page)], page.cursor
        return sorted(item_ids)

    def __reduce__(self) -> tuple[Any, ...]:  # in a pickle there is no server to ask
        return np.array, (self.tolist(), np.int64)


def read_picture(picture: Any) -> bytes:
    """Return the bytes to send of a path, a file's bytes, a PIL image or a uint8 array. Raises BadQuery,
    UnreadablePicture."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | PathLike):
        try:
            return Path(picture).expanduser().read_bytes()
        except (OSError, ValueError) as error:
            raise UnreadablePicture(f"cannot read {picture!r}: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(picture, Image | np.ndarray):
        raise BadQuery(f"a picture is a path, bytes, a PIL image or a uint8 array; got a {type(picture).__name__}")
    stream = io.BytesIO()
    (picture if isinstance(picture, Image) else fromarray(picture)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def to_list(vector: Any) -> list[float] | None:
    """Return a vector as JSON takes it."""
    return None if vector is None else np.asarray(vector, np.float64).ravel().tolist()


def encode_clusters(clusters: Any) -> list[Any] | None:
    """Return clusters as the server takes them: given by id, by name or as records, one or several."""
    if clusters is None:
        return None
    is_several = isinstance(clusters, Sequence | Set) and not isinstance(clusters, str)
    return [_encode_cluster(cluster) for cluster in (clusters if is_several else [clusters])]


def _encode_cluster(cluster: Any) -> Any:
    if isinstance(cluster, Partition):
        return {"partition": cluster.id}
    if isinstance(cluster, Cluster) and cluster.id is None:
        raise BadQuery("this cluster of a cut is none of the tree's levels: it has no id to search within")
    if isinstance(cluster, Cluster):
        return cluster.id
    return int(cluster) if is_whole(cluster) else cluster


def encode_filter(where: Where) -> str | None:
    """Return a filter as a query parameter."""
    return None if where is None else encode_json(to_json(where))


def encode_json(value: Any) -> str:
    """Return the JSON of a value in which numbers may be numpy's. Raises UsageError for what JSON can't carry."""
    try:
        return json.dumps(value, default=_list_numbers)
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"this can't be sent to a server: {error}") from error


def _list_numbers(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"JSON holds no {type(value).__name__}; give texts, numbers, true, false, null, lists, objects")


def to_records(record: type[T], rows: Sequence[Json]) -> tuple[T, ...]:
    """Return the records that became this JSON."""
    return tuple(from_json(record, row) for row in rows)


def quote_segment(name: str) -> str:
    """Return a name as a segment of a path."""
    return quote(name, safe="")


def quote_path(name: str) -> str:
    """Return a name that may hold slashes as the middle of a path."""
    return quote(name, safe="/")
