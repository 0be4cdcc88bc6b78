"""What the client and a server say to each other: requests, pictures, problems."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar, cast
from urllib.parse import quote

import numpy as np
from PIL.Image import Image, fromarray

from indexers import errors
from indexers.errors import BadQuery, MissingPackage, NearkinError, NotFound, Unavailable, UnreadablePicture, UsageError
from indexers.types import Json
from retrieval.records.codec import revived, slug
from retrieval.records.items import Page

try:
    import httpx
except ImportError as error:
    raise MissingPackage("the client needs httpx: pip install 'nearkin[client]'") from error

T = TypeVar("T")
Where = Mapping[str, Any] | None

MARK = {"X-Nearkin": "client"}
TYPE = "urn:nearkin:"
BY_STATUS: dict[int, type[NearkinError]] = {404: NotFound, 413: errors.PictureTooLarge, 503: Unavailable}


class NotAllowed(UsageError):
    """The server asks for a token, or for another one."""


class ServerFault(NearkinError):
    """The server met a fault of its own; its log says which."""


class Wire:
    """Requests to one server. May be used from several threads at once."""

    def __init__(self, url: str, token: str | None = None, *, timeout: float = 60.0, **options: Any) -> None:
        headers = MARK | ({} if token is None else {"Authorization": f"Bearer {token}"})
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, **options)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self, path: str, **asked: Any) -> Json:
        said = {name: one for name, one in asked.items() if one is not None}
        return self._call("GET", path, params=said)

    def _post(self, path: str, asked: Any) -> Json:
        return self._call("POST", path, json=asked)

    def _call(self, method: str, path: str, **how: Any) -> Json:
        try:
            answer = self._http.request(method, path, **how)
        except httpx.TransportError as error:
            raise Unavailable(f"{self._http.base_url} does not answer: {error}") from error
        if answer.is_error:
            raise problem(answer)
        return cast(Json, answer.json() if answer.content else {})


def problem(answer: Any) -> NearkinError:
    """The library's own error that a problem document tells of."""
    try:
        said = answer.json()
        kind, detail = str(said["type"]).removeprefix(TYPE), str(said["detail"])
    except (ValueError, KeyError, TypeError):
        kind, detail = "", f"the server answers {answer.status_code}"
    known = {slug(one): one for one in vars(errors).values() if isinstance(one, type)}
    if kind in known:
        return cast(NearkinError, known[kind](detail))
    if answer.status_code in (401, 403):
        return NotAllowed(detail)
    return BY_STATUS.get(answer.status_code, UsageError if answer.status_code < 500 else ServerFault)(detail)


class Members:
    """The ids of a cluster's items, fetched when they are looked at."""

    def __init__(self, page: Callable[[Any, int, int], Page]) -> None:
        self._page = page

    def tolist(self) -> list[int]:
        found: list[int] = []
        page: int | None = 1
        while page is not None:
            some = self._page(None, page, 1000)
            found, page = [*found, *(one.id for one in some.items)], some.cursor
        return sorted(found)


def content(picture: Any) -> bytes:
    """The bytes to send of a path, a file's bytes, a PIL image or a uint8 array. Raises BadQuery, UnreadablePicture."""
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, str | PathLike):
        try:
            return Path(picture).expanduser().read_bytes()
        except (OSError, ValueError) as error:
            raise UnreadablePicture(f"{picture!r} can't be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(picture, Image | np.ndarray):
        raise BadQuery(f"a picture is a path, bytes, a PIL image or a uint8 array; got a {type(picture).__name__}")
    stream = io.BytesIO()
    (picture if isinstance(picture, Image) else fromarray(picture)).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def numbers(vector: Any) -> list[float] | None:
    return None if vector is None else np.asarray(vector, np.float64).ravel().tolist()


def ids(clusters: Any) -> list[int] | None:
    """Of clusters, by id or as records, one or several."""
    if clusters is None:
        return None
    several: Sequence[Any] = clusters if isinstance(clusters, list | tuple) else [clusters]
    return [getattr(one, "id", one) for one in several]


def filtered(where: Where) -> str | None:
    return None if where is None else json.dumps(where)


def each(kind: type[T], data: Sequence[Json]) -> tuple[T, ...]:
    return tuple(revived(kind, one) for one in data)


def safe(name: str) -> str:
    """As a part of a path."""
    return quote(name, safe="")
