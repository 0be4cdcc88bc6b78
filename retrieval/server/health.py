"""For those who look after servers."""

from __future__ import annotations

from collections import Counter

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from retrieval.server.state import Ours, With

router = APIRouter(tags=["health"])


@router.get("/healthz")
def alive() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(collection: Ours) -> Response:
    """The collection can be read."""
    return JSONResponse({"status": "ok", "change": collection.change()})


@router.get("/metrics", response_class=Response)
def metrics(state: With) -> Response:
    """For Prometheus."""
    jobs = Counter(one.state for one in state.jobs.all())
    text = state.metrics.text(state.collection.count(), state.collection.change(), jobs)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
