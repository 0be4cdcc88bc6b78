"""Long work, and what changes, as it happens (server-sent events)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Response
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import ConfigDict, Field

from indexers.errors import NearkinError
from indexers.pictures.scan import is_within
from indexers.types import Json
from retrieval.records.reports import ENDED, Job
from retrieval.server.responses import Responses, answer_json, document_errors
from retrieval.server.schemas import RequestBody, build_list, build_model
from retrieval.server.state import State, StateDep

router = APIRouter(prefix="/v1", tags=["jobs"])

EVENT_RESPONSES: Responses = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
POLL_SECONDS = 0.25
"""Time between two looks at what may have changed."""
HEARTBEAT_SECONDS = 15.0
"""Time after which an event is sent though nothing has changed, so that a lost connection is noticed."""
NOT_ALLOWED = "only folders that the server was started with (--allow) may be added by path"
ServerPath = Annotated[str, Field(min_length=1)]
"""A path on the server. An empty one would be the server's current folder."""
JobId = Annotated[str, PathParameter(alias="job", description="The job's id.")]


class PathsToAdd(RequestBody):
    """Folders and files on the server to add."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paths": ["/photos/2024"], "sync": True}]})

    paths: list[ServerPath] = Field(min_length=1, max_length=10_000)
    """Paths below the folders that the server was started with (`--allow`)."""
    metadata: dict[str, Any] | None = None
    """Metadata for all pictures."""
    sync: bool = False
    """Also mark as missing what has vanished from there."""


class FoldersToSync(RequestBody):
    """Folders on the server to keep in step with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paths": ["/photos/2024"], "check": False}]})

    paths: list[ServerPath] = Field(min_length=1, max_length=10_000)
    """Folders below those that the server was started with (`--allow`)."""
    metadata: dict[str, Any] | None = None
    """Metadata for all pictures."""
    retry_failed: bool = False
    """Also try files again that failed before and have not changed since."""
    check: bool = False
    """Read known files again, whatever their size and time say."""


class PicturesToRead(RequestBody):
    """Which pictures to read."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"retry_failed": False}]})

    retry_failed: bool = False
    """Also pictures that could not be read before."""


class WorkToQueue(RequestBody):
    """What to queue for workers: pictures to add, or work with the items that there are."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paths": ["/photos/2024"]}]})

    paths: list[ServerPath] | None = Field(None, min_length=1, max_length=10_000)
    """Paths below the folders that the server was started with (`--allow`), to add."""
    kinds: list[str] | None = Field(None, max_length=100)
    """Without paths: the kinds of work, such as read."""
    metadata: dict[str, Any] | None = None
    """Metadata for all pictures."""
    retry_failed: bool = False
    """Also try files again that failed before and have not changed since."""


class WorkToDo(RequestBody):
    """Which work to do."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"kinds": ["embed"]}]})

    kinds: list[str] | None = Field(None, max_length=100)
    """Only work of these kinds."""
    retry_failed: bool = False
    """Also what could not be done before."""


@router.get("/jobs", response_model=build_list("jobs", Job, "The jobs, the newest first."))
def list_jobs(state: StateDep) -> Response:
    """Return all jobs, the newest first."""
    return answer_json({"jobs": [job.to_dict() for job in state.jobs.list_jobs()]})


@router.get("/jobs/{job}", response_model=build_model(Job), responses=document_errors(404))
def get_job(job_id: JobId, state: StateDep) -> Response:
    """Return a job."""
    return answer_json(state.jobs.get(job_id))


@router.post(
    "/jobs/add",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(403, 503),
    summary="Add pictures by path",
)
def add_paths(body: PathsToAdd, state: StateDep) -> Response:
    """Add pictures by their paths on the server, as a job."""
    paths = [str(_check_path(path, state)) for path in body.paths]
    return answer_json(state.jobs.add("add", {**body.model_dump(), "paths": paths}), 202)


@router.post("/jobs/sync", status_code=202, response_model=build_model(Job), responses=document_errors(403, 503))
def sync_folders(body: FoldersToSync, state: StateDep) -> Response:
    """Add what is new in folders on the server and mark what has vanished from them, as a job."""
    paths = [str(_check_path(path, state)) for path in body.paths]
    return answer_json(state.jobs.add("sync", {**body.model_dump(), "paths": paths}), 202)


@router.post("/jobs/read", status_code=202, response_model=build_model(Job), responses=document_errors(503))
def read_pictures(body: PicturesToRead, state: StateDep) -> Response:
    """Read the text in the pictures that were not read yet, as a job."""
    return answer_json(state.jobs.add("read", body.model_dump()), 202)


@router.post("/jobs/queue", status_code=202, response_model=build_model(Job), responses=document_errors(403, 503))
def queue_work(body: WorkToQueue, state: StateDep) -> Response:
    """Queue work that any number of workers do, on every machine that opens the collection, as a job."""
    paths = None if body.paths is None else [str(_check_path(path, state)) for path in body.paths]
    return answer_json(state.jobs.add("queue", {**body.model_dump(), "paths": paths}), 202)


@router.post("/jobs/work", status_code=202, response_model=build_model(Job), responses=document_errors(503))
def do_work(body: WorkToDo, state: StateDep) -> Response:
    """Do the work that is queued, beside other workers, as a job."""
    return answer_json(state.jobs.add("work", body.model_dump()), 202)


def _check_path(path: str, state: State) -> Path:
    """Return the real path. The error for one outside the allowed folders does not tell whether it exists."""
    try:
        real = Path(path).resolve()
    except (OSError, ValueError, RuntimeError):
        raise HTTPException(403, NOT_ALLOWED) from None
    if not is_within(real, state.settings.allow):
        raise HTTPException(403, NOT_ALLOWED)
    return real


@router.delete("/jobs/{job}", response_model=build_model(Job), responses=document_errors(404))
def cancel_job(job_id: JobId, state: StateDep) -> Response:
    """Stop a job; what it has done stays."""
    return answer_json(state.jobs.cancel(job_id))


@router.get(
    "/jobs/{job}/events", response_class=StreamingResponse, responses={**EVENT_RESPONSES, **document_errors(404, 503)}
)
def stream_job(job_id: JobId, state: StateDep) -> StreamingResponse:
    """Stream the job whenever it changes, until it ends."""
    state.jobs.get(job_id)
    return stream_values(lambda: state.jobs.get(job_id).to_dict(), state, lambda job: job["state"] in ENDED)


@router.get("/changes", response_class=StreamingResponse, responses={**EVENT_RESPONSES, **document_errors(503)})
def stream_changes(state: StateDep) -> StreamingResponse:
    """Stream the newest change number whenever it grows, whichever process has written."""
    return stream_values(lambda: {"change": state.collection.change()}, state)


ReadValue = Callable[[], Json]


def stream_values(
    read_value: ReadValue, state: State, is_last: Callable[[Json], bool] = lambda _: False
) -> StreamingResponse:
    """Stream a value whenever it has changed, until the last or until the server ends. Raises TooBusy."""
    with state.streams.take(1):  # an error now has a status, and one in a stream has none
        pass

    async def generate_events() -> AsyncIterator[str]:
        sent, quiet = None, 0.0
        with suppress(NearkinError), state.streams.take(1):  # the job may have been deleted meanwhile
            while not state.stopping.is_set() and not (sent and is_last(sent)):
                value = await run_in_threadpool(read_value)
                if value != sent or quiet >= HEARTBEAT_SECONDS:
                    yield f"data: {json.dumps(value)}\n\n"
                    sent, quiet = value, 0.0
                with suppress(TimeoutError):
                    await asyncio.wait_for(state.stopping.wait(), POLL_SECONDS)
                quiet += POLL_SECONDS

    return StreamingResponse(generate_events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
