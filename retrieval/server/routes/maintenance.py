"""What could not be read, and whether everything is in order."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from indexers.types import Failure
from retrieval.records.reports import Job
from retrieval.server.responses import answer_json, check_page, document_errors
from retrieval.server.schemas import PageNumber, RequestBody, build_list, build_model
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(prefix="/v1", tags=["maintenance"])

FailurePage = build_list(
    "failures",
    Failure,
    "The failures of this page, the newest first.",
    total=Annotated[int, Field(description="The number of all failures.")],
    cursor=Annotated[int | None, Field(description="The number of the next page; null on the last.")],
)


class Verification(RequestBody):
    """How to verify."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"repair": True}]})

    repair: bool = False
    """Rebuild derived files that are wrong."""
    pictures: bool = False
    """Also read every picture's file, and name those that are missing, changed or unreadable."""


@router.get("/failures", response_model=FailurePage, responses=document_errors(400))
def list_failures(
    collection: CollectionDep,
    page: PageNumber = 1,
    size: Annotated[int, Query(ge=1, le=1000, description="Failures per page.")] = 100,
) -> Response:
    """Return the files that could not be read, and why."""
    failures = collection.failures()
    check_page(page, size, len(failures))
    shown = [failure.to_dict() for failure in failures[(page - 1) * size : page * size]]
    following = page + 1 if page * size < len(failures) else None
    return answer_json({"failures": shown, "total": len(failures), "cursor": following})


@router.post(
    "/failures/retry",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(503),
    summary="Retry failed files",
)
def retry_failures(state: StateDep) -> Response:
    """Try to read all failed files again, as a job: its report is that of adding."""
    return answer_json(state.jobs.add("retry", {}), 202)


@router.post(
    "/verify",
    status_code=202,
    response_model=build_model(Job),
    responses=document_errors(503),
    summary="Verify the collection",
)
def verify_collection(state: StateDep, body: Verification = Verification()) -> Response:  # noqa: B008
    """Compare the catalogue with derived files and the disk, as a job: its report tells what is wrong."""
    return answer_json(state.jobs.add("verify", body.model_dump()), 202)
