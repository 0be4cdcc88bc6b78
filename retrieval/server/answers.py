"""How answers are described and given: pictures, parts of them, what has not changed."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from retrieval.server.problems import Problem

CODES = {
    400: "The library refuses what was given.",
    401: "A token is needed.",
    403: "This is not allowed.",
    404: "There is no such thing.",
    413: "Too much was sent.",
    421: "This server has another name.",
    422: "The request is not of the form that is asked for, or the picture can't be read.",
    500: "A fault of the server's.",
    503: "Not now: another process writes, or something that is needed can't be had.",
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    code: {"description": what, "content": {"application/problem+json": {"schema": Problem.model_json_schema()}}}
    for code, what in CODES.items()
}


def picture(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Of a route that answers with a picture."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {200: {"description": "The picture.", "content": content}}


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
        return Response(b"", 416, {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(content[start:end], 206, headers, kind)


def _range(said: str, length: int) -> tuple[int, int] | None:
    unit, _, spec = said.partition("=")
    first, dash, last = spec.strip().partition("-")
    if unit.strip() != "bytes" or not dash or not (first + last).isdigit() or (first and last and first > last > ""):
        return None
    if not first:
        return max(length - int(last), 0), length
    return int(first), min(int(last) + 1 if last else length, length)
