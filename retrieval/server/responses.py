"""Responses and their descriptions: JSON, pictures, ranges of bytes, what has not changed, what is refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import Request, Response
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse

from indexers.errors import UsageError
from retrieval.records.base import Record
from retrieval.server.problems import MEDIA_TYPE, make_problem

STATUS_DESCRIPTIONS = {
    400: "The library refuses the request.",
    401: "A token is needed.",
    403: "This is not allowed.",
    404: "Not found.",
    408: "The request came too slowly.",
    413: "The request is too large.",
    416: "The picture does not have this range of bytes.",
    421: "Unknown host name.",
    422: "The request does not have the expected form, or the picture cannot be read.",
    503: "Try again later: another process is writing, or something that is needed is unavailable.",
}
Responses = dict[int | str, dict[str, Any]]


def document_errors(*codes: int) -> Responses:
    """Describe the errors that a route can give, by status code."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        code: {"description": STATUS_DESCRIPTIONS[code], "content": {MEDIA_TYPE: {"schema": schema}}} for code in codes
    }


def document_picture(*media_types: str) -> Responses:
    """Describe a route that answers with a picture of one of these media types."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in media_types}
    return {200: {"description": "The picture.", "content": content}}


NOT_MODIFIED: Responses = {304: {"description": "The picture has not changed."}}
PARTIAL: Responses = {206: {"description": "The requested range of bytes."}, **document_errors(416)}


MAX_IN_MEMORY, CHUNK_BYTES = 2**20, 2**18
"""The most bytes of a picture that are kept in memory until they are sent; how many are read at a time otherwise."""


def answer_page(name: str, records: Sequence[Record], cursor: int, limit: int) -> Response:
    """Answer with the records from `cursor` on, under `name`, their whole number, and where the next page begins."""
    following = cursor + limit if cursor + limit < len(records) else None
    page = [record.to_dict() for record in records[cursor : cursor + limit]]
    return answer_json({name: page, "total": len(records), "cursor": following})


class PageBeyondLast(UsageError):
    """There is no page of that number."""


def check_page(number: int, size: int, total: int) -> None:
    """Raise PageBeyondLast for a page beyond the last, of `total` things on pages of `size`."""
    last = max(1, -(-total // size))
    if number > last:
        raise PageBeyondLast(f"there is no page {number}; the last one is {last}")


def answer_json(content: Any, status: int = 200) -> Response:
    """Return a record, or plain values, as JSON in ASCII: file names may hold what UTF-8 can't carry."""
    plain = content.to_dict() if hasattr(content, "to_dict") else content
    text = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    return Response(text, status, media_type="application/json")


def matches_etag(request: Request, etag: str) -> bool:
    """Return True if the caller has that version already (If-None-Match)."""
    header = request.headers.get("if-none-match", "")
    return etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]


def answer_bytes(request: Request, content: bytes, media_type: str, headers: dict[str, str]) -> Response:
    """Return the requested bytes: all, or one range (RFC 9110). A request for several ranges gets all."""
    headers = headers | {"Accept-Ranges": "bytes"}
    span = parse_range(request.headers.get("range", ""), len(content))
    if span is None:
        return _send(content, 200, headers, media_type)
    start, end = span
    if start >= end:
        detail = f"the picture has {len(content)} bytes"
        size = {"Content-Range": f"bytes */{len(content)}"}
        return make_problem(416, "no-such-part", "The picture does not have this range", detail, headers=size)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return _send(content[start:end] if end - start < len(content) else content, 206, headers, media_type)


def _send(content: bytes, status: int, headers: dict[str, str], media_type: str) -> Response:
    """Return the response. What is long is sent from a file without a name: a slow caller would keep it in memory."""
    if len(content) <= MAX_IN_MEMORY:
        return Response(content, status, headers, media_type)
    file = tempfile.TemporaryFile()  # noqa: SIM115  closed below, when all is sent
    file.write(content)
    file.seek(0)
    headers = headers | {"Content-Length": str(len(content))}
    chunks = iter(partial(file.read, CHUNK_BYTES), b"")
    return StreamingResponse(chunks, status, headers, media_type, BackgroundTask(file.close))


MAX_DIGITS = 18
"""The most digits that a number in a header can sensibly have."""


def parse_number(text: str) -> int | None:
    """Return a whole number of a header, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def parse_range(header: str, length: int) -> tuple[int, int] | None:
    """Return start and end of a Range header in `length` bytes, empty where it lies beyond them; None for anything
    but one range of bytes."""
    unit, _, spec = header.partition("=")
    first, dash, last = spec.strip().partition("-")
    start, end = parse_number(first), parse_number(last)
    if unit.strip() != "bytes" or not dash or (first and start is None) or (last and end is None):
        return None
    if start is None:
        return None if end is None else (max(length - end, 0), length)
    if end is not None and end < start:
        return None
    return start, length if end is None else min(end + 1, length)
