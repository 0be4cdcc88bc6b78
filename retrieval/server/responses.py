"""How answers are given and described: JSON, pictures, parts of them, what has not changed, what is refused."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request, Response

from retrieval.server.problems import KIND, problem

CODES = {
    400: "The library refuses what was given.",
    401: "A token is needed.",
    403: "This is not allowed.",
    404: "There is no such thing.",
    408: "The request came too slowly.",
    413: "Too much was sent.",
    416: "The picture has no such part.",
    421: "This server has another name.",
    422: "The request is not of the form that is asked for, or the picture can't be read.",
    503: "Not now: another process writes, or something that is needed can't be had.",
}
Responses = dict[int | str, dict[str, Any]]


def refusals(*codes: int) -> Responses:
    """The errors that a route can give, for its description."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {code: {"description": CODES[code], "content": {KIND: {"schema": schema}}} for code in codes}


def picture(*kinds: str) -> Responses:
    """Of a route that answers with a picture."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {200: {"description": "The picture.", "content": content}}


SAME: Responses = {304: {"description": "You have it already."}}
PART: Responses = {206: {"description": "The part that was asked for."}, **refusals(416)}


def answer(content: Any, status: int = 200) -> Response:
    """A record, or plain values, as JSON in ASCII: names of files may hold what UTF-8 can't carry."""
    plain = content.to_dict() if hasattr(content, "to_dict") else content
    text = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    return Response(text, status, media_type="application/json")


def tagged(request: Request, tag: str) -> bool:
    """Whether the caller has that already."""
    return tag in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]


def part(request: Request, content: bytes, kind: str, headers: dict[str, str]) -> Response:
    """The bytes that are asked for: all, or one range (RFC 9110); several are answered with all."""
    headers = headers | {"Accept-Ranges": "bytes"}
    wanted = _range(request.headers.get("range", ""), len(content))
    if wanted is None:
        return Response(content, 200, headers, kind)
    start, end = wanted
    if start >= end:
        detail = f"the picture has {len(content)} bytes"
        size = {"Content-Range": f"bytes */{len(content)}"}
        return problem(416, "no-such-part", "The picture has no such part", detail, headers=size)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(content[start:end], 206, headers, kind)


DIGITS = 18
"""Of a number in a header: more are nonsense."""


def number(text: str) -> int | None:
    """A number as headers have it."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None


def _range(said: str, length: int) -> tuple[int, int] | None:
    unit, _, spec = said.partition("=")
    first, dash, last = spec.strip().partition("-")
    start, end = number(first), number(last)
    if unit.strip() != "bytes" or not dash or (first and start is None) or (last and end is None):
        return None
    if start is None:
        return None if end is None else (max(length - end, 0), length)
    if end is not None and end < start:
        return None
    return start, length if end is None else min(end + 1, length)
