"""Errors as problem documents (RFC 9457), with the library's own messages."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from indexers import errors
from retrieval.records.codec import slug

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger("nearkin.server")

KIND = "application/problem+json"
TYPE = "urn:nearkin:"
STATUS: tuple[tuple[type[errors.NearkinError], int], ...] = (
    (errors.PictureTooLarge, 413),
    (errors.PictureError, 422),
    (errors.NotFound, 404),
    (errors.UsageError, 400),
    (errors.WriterBusy, 503),
    (errors.Unavailable, 503),
)
"""The first that fits. Anything else is a fault of ours or of the disk: 500."""
AGAIN = "2"
"""Seconds after which to ask again while another process writes."""
BUSY = "another writer is at work; try again when it is done"
"""The library's message names its process and command line, which are no business of those who ask from outside."""
FAULT = "something went wrong here; the server's log has it"
WORDS = {404: "not-found", 405: "method-not-allowed", 408: "too-slow", 413: "too-much"}


class Problem(BaseModel):
    """What went wrong. `type`: a name that programs can go by; `detail`: a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def problem(status: int, kind: str, title: str, detail: str, **more: Any) -> Response:
    """An answer that says so. `headers` of it may be given."""
    headers = more.pop("headers", None)
    content = {"type": TYPE + kind, "title": title, "status": status, "detail": detail, **more}
    return Response(json.dumps(content), status, headers, KIND)


def of_library(error: errors.NearkinError) -> Response:
    kind = type(error)
    status = next((status for known, status in STATUS if isinstance(error, known)), 500)
    title = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
    busy = isinstance(error, errors.WriterBusy)
    if status == 500:
        log.error("a fault while answering", exc_info=error)
    detail = FAULT if status == 500 else BUSY if busy else str(error)
    return problem(status, slug(kind), title, detail, headers={"Retry-After": AGAIN} if busy else None)


def of_http(error: HTTPException) -> Response:
    kind = WORDS.get(error.status_code, "http")
    return problem(error.status_code, kind, "This request can't be answered", str(error.detail), headers=error.headers)


def of_request(error: RequestValidationError) -> Response:
    found = [{"where": _where(one["loc"]), "what": one["msg"]} for one in error.errors()]
    first = "; ".join(f"{'.'.join(one['where'])}: {one['what']}" for one in found[:3])
    return problem(422, "bad-request", "The request is not of the form that is asked for", first, errors=found)


def _where(place: tuple[int | str, ...]) -> list[str]:
    """Without the checks that were tried there."""
    return [str(part) for part in place if "[" not in str(part) and part != "constrained-int"]


def install(app: FastAPI) -> None:
    """Let every error of the app be told like this."""

    async def library(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.NearkinError)
        return of_library(error)

    async def http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return of_http(error)

    async def request(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return of_request(error)

    app.add_exception_handler(errors.NearkinError, library)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, request)
