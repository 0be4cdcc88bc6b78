"""Long work, and what changes, as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import Field

from indexers.errors import NearkinError
from indexers.types import Json
from retrieval.records.reports import ENDED, Job
from retrieval.server.responses import Responses, answer, refusals
from retrieval.server.schemas import Strict, model, several
from retrieval.server.state import State, With

router = APIRouter(prefix="/v1", tags=["jobs"])

EVENTS: Responses = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
OFTEN = 0.25
"""Seconds between two looks at what may have changed."""
BEAT = 15.0
"""Seconds after which a line is sent though nothing has changed, so that a lost connection is noticed."""


class Adding(Strict):
    """Folders and files below the folders that were allowed when the server was started. `sync`: also mark what has
    vanished from them."""

    paths: list[str] = Field(min_length=1, max_length=10_000)
    metadata: dict[str, Any] | None = None
    sync: bool = False


@router.get("/jobs", response_model=several("jobs", Job))
def jobs(state: With) -> Response:
    """All jobs, the newest first."""
    return answer({"jobs": [one.to_dict() for one in state.jobs.all()]})


@router.get("/jobs/{job}", response_model=model(Job), responses=refusals(404))
def one(job: str, state: With) -> Response:
    """One job."""
    return answer(state.jobs.get(job))


@router.post("/jobs/add", status_code=202, response_model=model(Job), responses=refusals(403, 503))
def add(asked: Adding, state: With) -> Response:
    """Add pictures by their paths, as a job."""
    paths = [str(_allowed(path, state)) for path in asked.paths]
    return answer(state.jobs.add("add", {**asked.model_dump(), "paths": paths}), 202)


def _allowed(path: str, state: State) -> Path:
    """The real path. Whether it exists is not told of what lies elsewhere."""
    try:
        real = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        real = Path("/")
    if not any(real.is_relative_to(folder.resolve()) for folder in state.served.allow):
        raise HTTPException(403, "pictures may be added by path from the folders given with --allow only")
    return real


@router.delete("/jobs/{job}", response_model=model(Job), responses=refusals(404))
def cancel(job: str, state: With) -> Response:
    """Stop a job; what it has done stays."""
    return answer(state.jobs.cancel(job))


@router.get("/jobs/{job}/events", response_class=StreamingResponse, responses={**EVENTS, **refusals(404)})
def progress(job: str, state: With) -> StreamingResponse:
    """The job whenever it changes, until it ends."""
    state.jobs.get(job)
    return streamed(lambda: state.jobs.get(job).to_dict(), state, lambda now: now["state"] in ENDED)


@router.get("/changes", response_class=StreamingResponse, responses=EVENTS)
def changes(state: With) -> StreamingResponse:
    """The newest change number, whenever there is another, whichever process has made it."""
    return streamed(lambda: {"change": state.collection.change()}, state)


Look = Callable[[], Json]


def streamed(look: Look, state: State, over: Callable[[Json], bool] = lambda _: False) -> StreamingResponse:
    """What there is to see, whenever it is something else, until it is over or the server ends."""

    async def told() -> AsyncIterator[str]:
        last, quiet = None, 0.0
        with suppress(NearkinError):  # a job may be forgotten meanwhile
            while not state.leaving.is_set() and not (last and over(last)):
                now = await run_in_threadpool(look)
                if now != last or quiet >= BEAT:
                    yield f"data: {json.dumps(now)}\n\n"
                    last, quiet = now, 0.0
                with suppress(TimeoutError):
                    await asyncio.wait_for(state.leaving.wait(), OFTEN)
                quiet += OFTEN

    return StreamingResponse(told(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
