"""What operators ask."""

from __future__ import annotations

from starlette.testclient import TestClient

from retrieval import Collection
from tests.support.serving import WRITE, open_client, wait_for_job


def test_health(discs_client: TestClient, discs: Collection) -> None:
    assert discs_client.get("/healthz").json() == {"status": "ok"}
    assert discs_client.get("/readyz").json() == {"status": "ok", "change": discs.change()}


def test_readiness_follows_changes(filled: Collection) -> None:
    with open_client(filled) as client:
        before = client.get("/readyz").json()["change"]
        client.patch("/v1/items/1", json={"text": "x"})
        assert client.get("/readyz").json()["change"] == filled.change() > before


def test_health_needs_no_token_and_metrics_do(discs: Collection) -> None:
    with open_client(discs, headers={}, write_token=WRITE) as client:
        assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
        assert client.get("/metrics").status_code == 401


def test_metrics_count_items_and_jobs(filled: Collection) -> None:
    with open_client(filled) as client:
        job = client.post("/v1/duplicates/find").json()
        wait_for_job(client, job["id"])
        response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "nearkin_items 5.0" in response.text
    assert f"nearkin_change {filled.change()}.0" in response.text
    assert 'nearkin_jobs{state="done"} 1.0' in response.text
