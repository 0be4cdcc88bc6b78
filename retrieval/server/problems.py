"""Errors as problem documents (RFC 9457), with the library's own messages."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from indexers import errors

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger("nearkin.server")

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


class Problem(BaseModel):
    """What went wrong. `type`: a name that programs can go by; `detail`: a sentence for people."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def problem(status: int, kind: str, title: str, detail: str, **more: Any) -> JSONResponse:
    """An answer that says so. `headers` of it may be given."""
    headers = more.pop("headers", None)
    content = {"type": f"urn:nearkin:{kind}", "title": title, "status": status, "detail": detail, **more}
    return JSONResponse(content, status, headers, "application/problem+json")


def of_library(error: errors.NearkinError) -> JSONResponse:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(error).__name__).lower()
    title = (type(error).__doc__ or "").strip().splitlines()[0].rstrip(".")
    headers = {"Retry-After": AGAIN} if isinstance(error, errors.WriterBusy) else None
    return problem(status, name, title, str(error), headers=headers)


def of_http(error: HTTPException) -> JSONResponse:
    words = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "http")
    return problem(error.status_code, words, "This request can't be answered", str(error.detail), headers=error.headers)


def of_request(error: RequestValidationError) -> JSONResponse:
    found = [{"where": [str(part) for part in one["loc"]], "what": one["msg"]} for one in error.errors()]
    first = "; ".join(f"{'.'.join(one['where'])}: {one['what']}" for one in found[:3])
    return problem(422, "bad-request", "The request is not of the form that is asked for", first, errors=found)


def install(app: FastAPI) -> None:
    """Let every error of the app be told like this."""

    async def library(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.NearkinError)
        return of_library(error)

    async def http(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return of_http(error)

    async def request(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return of_request(error)

    async def fault(_: Request, error: Exception) -> JSONResponse:
        log.error("a fault while answering", exc_info=error)
        return problem(500, "fault", "A fault of the server's", "something went wrong here; the server's log has it")

    app.add_exception_handler(errors.NearkinError, library)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, request)
    app.add_exception_handler(Exception, fault)
