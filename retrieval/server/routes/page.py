"""The page, the page that shows the OpenAPI document, and the browser's session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response
from starlette.responses import FileResponse

from retrieval.server.guard import COOKIE, matches_token
from retrieval.server.problems import make_problem
from retrieval.server.settings import STATIC
from retrieval.server.state import StateDep

router = APIRouter(include_in_schema=False)


@router.get("/")
def get_page() -> FileResponse:
    """Return the page. It holds nothing of the collection: its scripts fetch all that is shown."""
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/docs")
def get_docs() -> FileResponse:
    """Return the page that shows the OpenAPI document. Everything on it comes from this server."""
    return FileResponse(STATIC / "docs.html", headers={"Cache-Control": "no-cache"})


@router.post("/v1/session")
def open_session(token: Annotated[str, Body(embed=True)], state: StateDep) -> Response:
    """Set a cookie with the token, so that this browser can fetch pictures."""
    settings = state.settings
    if not (matches_token(token, settings.read_token) or matches_token(token, settings.write_token)):
        return make_problem(401, "no-token", "A token is needed", "this server does not know the token")
    response = Response(status_code=204)
    # without a path it holds for the folder of this address, /v1 below whatever prefix the browser sees
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", path=None)
    return response
