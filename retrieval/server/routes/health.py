"""What operators ask: does it live, is it ready, what are its figures."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from retrieval.server.responses import Responses, answer_json
from retrieval.server.schemas import ResponseBody
from retrieval.server.state import CollectionDep, StateDep

router = APIRouter(tags=["health"])

METRICS_RESPONSES: Responses = {
    200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


class Alive(ResponseBody):
    """The process answers."""

    status: Literal["ok"]
    """Always ok."""


class Ready(Alive):
    """The collection can be read."""

    change: int
    """The newest change number."""


@router.get("/healthz", response_model=Alive)
def check_liveness() -> Response:
    """Answer if the process is alive."""
    return answer_json({"status": "ok"})


@router.get("/readyz", response_model=Ready)
def check_readiness(collection: CollectionDep) -> Response:
    """Answer if the collection can be read."""
    return answer_json({"status": "ok", "change": collection.change()})


@router.get("/metrics", response_class=Response, responses=METRICS_RESPONSES)
def get_metrics(state: StateDep) -> Response:
    """Return the figures of the answering process, for Prometheus."""
    jobs = Counter(job.state for job in state.jobs.list_jobs())
    text = state.metrics.render(state.collection.count(), state.collection.change(), jobs)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
