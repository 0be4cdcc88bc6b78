"""The figures for Prometheus, and a line of the log for each request."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

log = logging.getLogger("nearkin.access")

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one process."""

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

    def record_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log a request that was answered. Only its route is named: the path and the query may hold
        anything, secrets too."""
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", None) or "none"
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        if log.isEnabledFor(logging.INFO):
            client = (scope.get("client") or ("-",))[0]
            fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2)}
            log.info("%s %s %s %.1f ms", method, route, status, seconds * 1000, extra={**fields, "client": client})

    def render(self, items: int, change: int, jobs: Mapping[str, int]) -> bytes:
        """Return all figures in Prometheus' text format. `jobs`: the number of jobs by state."""
        self._items.set(items)
        self._change.set(change)
        self._jobs.clear()
        for state, count in jobs.items():
            self._jobs.labels(state).set(count)
        return generate_latest(self._registry)
