"""Errors as problem documents (RFC 9457), with the library's own messages."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from indexers import errors
from retrieval.records.codec import slug

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger("nearkin.server")

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:nearkin:"
STATUS_BY_ERROR: tuple[tuple[type[errors.NearkinError], int], ...] = (
    (errors.PictureTooLarge, 413),
    (errors.PictureError, 422),
    (errors.NotFound, 404),
    (errors.CollectionClosed, 503),
    (errors.UsageError, 400),
    (errors.CollectionReadOnly, 403),
    (errors.WriterBusy, 503),
    (errors.Unavailable, 503),
)
"""The first class that fits decides. Any other error is a fault of the server or of its disk: 500."""
RETRY_AFTER = "2"
"""Seconds after which to ask again while another process writes."""
BUSY_DETAIL = "another process is writing; try again when it is done"
"""Replaces the library's message, which names that process and its command line: no business of remote callers."""
SEE_LOG = "the server's log has the details"
"""Replaces the library's message, which names paths, where it tells of a fault of the server's."""
FAULT_DETAIL = f"something went wrong; {SEE_LOG}"
KIND_BY_STATUS = {404: "not-found", 405: "method-not-allowed", 408: "too-slow", 413: "too-much", 503: "too-busy"}


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """A name that programs can go by, such as urn:nearkin:item-not-found."""
    title: str
    """The kind of problem, for people."""
    status: int
    """The HTTP status code."""
    detail: str
    """A sentence for people: what, which value, what to do."""
    errors: list[dict[str, Any]] | None = None
    """What is wrong with a request, by place: `where` and `what`."""


def make_problem(status: int, kind: str, title: str, detail: str, **fields: Any) -> Response:
    """Return a problem document with further fields; `headers` are those of the response."""
    headers = fields.pop("headers", None)
    content = {"type": TYPE_PREFIX + kind, "title": title, "status": status, "detail": detail, **fields}
    return Response(json.dumps(content), status, headers, MEDIA_TYPE)


def answer_library_error(error: errors.NearkinError) -> Response:
    """Return the problem document of an error of the library. What is no fault of the caller's goes to the log only."""
    kind = type(error)
    status = next((status for known, status in STATUS_BY_ERROR if isinstance(error, known)), 500)
    title = (kind.__doc__ or "").strip().splitlines()[0].rstrip(".")
    busy = isinstance(error, errors.WriterBusy)
    if status == 500:
        log.error("an error in the server", exc_info=error)
    detail = f"{title}; {SEE_LOG}" if status == 500 else BUSY_DETAIL if busy else str(error)
    return make_problem(status, slug(kind), title, detail, headers={"Retry-After": RETRY_AFTER} if busy else None)


def answer_http_error(error: HTTPException) -> Response:
    """Return the problem document of an error that has a status."""
    kind = KIND_BY_STATUS.get(error.status_code, "http")
    title = "This request cannot be answered"
    return make_problem(error.status_code, kind, title, str(error.detail), headers=error.headers)


def answer_request_error(error: RequestValidationError) -> Response:
    """Return the problem document of a request that does not fit its schema: all that is wrong, three in words."""
    problems = [{"where": _format_location(detail["loc"]), "what": detail["msg"]} for detail in error.errors()]
    sentence = "; ".join(f"{'.'.join(problem['where'])}: {problem['what']}" for problem in problems[:3])
    return make_problem(422, "bad-request", "The request does not have the expected form", sentence, errors=problems)


def _format_location(location: tuple[int | str, ...]) -> list[str]:
    """Leave out the names of the validators that pydantic adds to a location."""
    return [str(step) for step in location if "[" not in str(step) and step != "constrained-int"]


def install_handlers(app: FastAPI) -> None:
    """Let the app answer every error with a problem document."""

    async def handle_library_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, errors.NearkinError)
        return answer_library_error(error)

    async def handle_http_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer_http_error(error)

    async def handle_request_error(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer_request_error(error)

    app.add_exception_handler(errors.NearkinError, handle_library_error)
    app.add_exception_handler(HTTPException, handle_http_error)
    app.add_exception_handler(RequestValidationError, handle_request_error)
