"""What a Prometheus asks for, and a line of the log for each request."""

from __future__ import annotations

import logging

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

log = logging.getLogger("nearkin.access")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """Of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self._requests = Counter("nearkin_requests", "Requests answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "nearkin_request_seconds", "Time to answer", ("method", "route"), buckets=BUCKETS, registry=self._registry
        )
        self._items = Gauge("nearkin_items", "Items in the collection", registry=self._registry)
        self._change = Gauge("nearkin_change", "The newest change number", registry=self._registry)
        self._jobs = Gauge("nearkin_jobs", "Jobs by state", ("state",), registry=self._registry)

    def noted(self, scope: Scope, status: int, seconds: float) -> None:
        """A request was answered."""
        route = getattr(scope.get("route"), "path", "none")  # never the path itself: anybody can ask for anything
        self._requests.labels(scope["method"], route, status).inc()
        self._seconds.labels(scope["method"], route).observe(seconds)
        client = scope.get("client") or ("-",)
        about = {"method": scope["method"], "path": scope["path"], "status": status, "ms": round(seconds * 1000, 2)}
        log.info("%(method)s %(path)s %(status)s", about, extra={**about, "client": client[0]})

    def text(self, items: int, change: int, jobs: dict[str, int]) -> bytes:
        """All of it, in Prometheus' text format."""
        self._items.set(items)
        self._change.set(change)
        for state, count in jobs.items():
            self._jobs.labels(state).set(count)
        return generate_latest(self._registry)
