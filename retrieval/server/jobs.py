"""Long work, and what changes, as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field
from starlette.exceptions import HTTPException

from retrieval.server.models import Strict, model, several
from retrieval.server.state import State, With
from retrieval.server.work import ENDED, Job

router = APIRouter(tags=["jobs"])

EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
BEAT = 15.0
"""Seconds after which a line is sent though nothing has changed, so that a lost connection is noticed."""


class Adding(Strict):
    """Folders and files below the folders that were allowed when the server was started. `sync`: also mark what has
    vanished from them."""

    paths: list[str] = Field(min_length=1)
    metadata: dict[str, Any] | None = None
    sync: bool = False


@router.get("/jobs", response_model=several("jobs", Job))
def jobs(state: With) -> Response:
    """All jobs, the newest first."""
    return JSONResponse({"jobs": [one.to_dict() for one in state.jobs.all()]})


@router.get("/jobs/{job}", response_model=model(Job))
def one(job: str, state: With) -> Response:
    """One job."""
    return JSONResponse(state.jobs.get(job).to_dict())


@router.post("/jobs/add", status_code=202, response_model=model(Job))
def add(asked: Adding, state: With) -> Response:
    """Add pictures by their paths, as a job."""
    paths = [str(_allowed(path, state)) for path in asked.paths]
    return JSONResponse(state.jobs.add("add", {**asked.model_dump(), "paths": paths}).to_dict(), 202)


def _allowed(path: str, state: State) -> Path:
    """The real path. Whether it exists is not told of what lies elsewhere."""
    try:
        real = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        real = Path("/")
    if not any(real.is_relative_to(folder.resolve()) for folder in state.served.allow):
        raise HTTPException(403, "pictures may be added by path from the folders given with --allow only")
    return real


@router.delete("/jobs/{job}", response_model=model(Job))
def cancel(job: str, state: With) -> Response:
    """Stop a job; what it has done stays."""
    return JSONResponse(state.jobs.cancel(job).to_dict())


@router.get("/jobs/{job}/events", response_class=StreamingResponse, responses=EVENTS)
async def progress(job: str, state: With) -> StreamingResponse:
    """The job whenever it changes, until it ends."""
    found = state.jobs.get(job)

    async def told() -> AsyncIterator[str]:
        known = found
        while True:
            yield f"data: {json.dumps(known.to_dict())}\n\n"
            if known.state in ENDED:
                return
            known = await run_in_threadpool(state.jobs.changed, known, BEAT)

    return StreamingResponse(told(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@router.get("/changes", response_class=StreamingResponse, responses=EVENTS)
async def changes(request: Request, state: With) -> StreamingResponse:
    """The newest change number, whenever there is another, whichever process has made it."""

    async def told() -> AsyncIterator[str]:
        last, quiet = -1, 0.0
        while not await request.is_disconnected():
            now = await run_in_threadpool(state.collection.change)
            quiet = 0.0 if now != last else quiet + 0.5
            if now != last or quiet >= BEAT:
                last, quiet = now, 0.0
                yield f'data: {{"change": {now}}}\n\n'
            await asyncio.sleep(0.5)

    return StreamingResponse(told(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
