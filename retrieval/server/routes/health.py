"""For those who look after servers."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from retrieval.server.responses import Responses, answer
from retrieval.server.schemas import described
from retrieval.server.state import Ours, With

router = APIRouter(tags=["health"])

Alive = described("Alive", status=Literal["ok"])
TEXT: Responses = {
    200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/healthz", response_model=Alive)
def alive() -> Response:
    """The process answers."""
    return answer({"status": "ok"})


@router.get("/readyz", response_model=described("Ready", Alive, change=int))
def ready(collection: Ours) -> Response:
    """The collection can be read."""
    return answer({"status": "ok", "change": collection.change()})


@router.get("/metrics", response_class=Response, responses=TEXT)
def metrics(state: With) -> Response:
    """For Prometheus; of the process that answers."""
    jobs = Counter(one.state for one in state.jobs.all())
    text = state.metrics.text(state.collection.count(), state.collection.change(), jobs)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
