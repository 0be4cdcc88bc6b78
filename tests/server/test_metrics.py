"""Figures for Prometheus: what was answered, by route, and never what was asked."""

from __future__ import annotations

from retrieval import Collection
from retrieval.server.metrics import Metrics
from tests.support.serving import open_client


def test_requests_are_counted_by_method_route_and_status() -> None:
    metrics = Metrics()
    for status in (200, 200, 404):
        metrics.record_request({"type": "http", "method": "GET"}, status, 0.02)
    text = metrics.render(7, 12, {"done": 3}).decode()
    assert 'nearkin_requests_total{method="GET",route="none",status="200"} 2.0' in text
    assert 'nearkin_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'nearkin_request_seconds_bucket{le="0.01",method="GET",route="none"} 0.0' in text
    assert 'nearkin_request_seconds_bucket{le="0.025",method="GET",route="none"} 3.0' in text
    assert "nearkin_items 7.0" in text
    assert "nearkin_change 12.0" in text
    assert 'nearkin_jobs{state="done"} 3.0' in text


def test_states_without_jobs_disappear() -> None:
    metrics = Metrics()
    metrics.render(0, 0, {"running": 1})
    assert "running" not in metrics.render(0, 0, {"done": 1}).decode()


def test_metrics_tell_routes_and_never_what_was_asked(discs: Collection) -> None:
    with open_client(discs) as client:
        client.get("/v1/items/1")
        client.get("/secret/place")
        client.request("SECRET", "/")
        text = client.get("/metrics").text
    assert 'nearkin_requests_total{method="GET",route="/v1/items/{item}",status="200"} 1.0' in text
    assert 'route="none",status="404"' in text
    assert "nearkin_items 5.0" in text
    assert "secret" not in text.lower()
