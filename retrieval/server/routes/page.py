"""The page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Response
from starlette.responses import FileResponse

from retrieval.server.guard import COOKIE, same
from retrieval.server.problems import problem
from retrieval.server.settings import STATIC
from retrieval.server.state import With

router = APIRouter(include_in_schema=False)


@router.get("/")
def page() -> FileResponse:
    """Nothing of the collection is in it: all that is shown is asked for."""
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


@router.post("/v1/session")
def session(token: Annotated[str, Body(embed=True)], state: With) -> Response:
    """Let this browser's pictures be fetched with the token."""
    served = state.served
    if not (same(token, served.read_token) or same(token, served.write_token)):
        return problem(401, "no-token", "A token is needed", "this token is not known here")
    answer = Response(status_code=204)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/v1/")
    return answer
