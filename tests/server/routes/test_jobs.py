"""Jobs and changes over HTTP, as they happen; metrics, health, logs."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from indexers.errors import BadSetting, WriterBusy
from retrieval import Collection
from retrieval.server import create_app, logs
from retrieval.server.problems import answer_library_error
from tests.support.serving import CLIENT_HEADERS, listen_in_thread, open_client, paint_folder, wait_for_job, wait_until


def read_events(url: str, path: str) -> list[Any]:
    with httpx.stream("GET", url + path, headers=CLIENT_HEADERS, timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:")]


def test_several_listen_to_one_job(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 400)
    with listen_in_thread(collection, allow=(folder,)) as url:
        job = httpx.post(f"{url}/v1/jobs/add", json={"paths": [str(folder)]}, headers=CLIENT_HEADERS).json()
        heard: list[list[Any]] = []
        several = [
            threading.Thread(target=lambda: heard.append(read_events(url, f"/v1/jobs/{job['id']}/events")))
            for _ in "123"
        ]
        for one in several:
            one.start()
        for one in several:
            one.join(60)
        assert [states[-1]["state"] for states in heard] == ["done"] * 3
        assert heard[0][-1]["report"]["added"] == 400
        assert any(state["state"] == "running" for state in heard[0])
        assert read_events(url, f"/v1/jobs/{job['id']}/events")[-1]["state"] == "done"


def test_streams_end_with_the_server(filled: Collection) -> None:
    heard: list[list[Any]] = []
    with listen_in_thread(filled) as url:
        one = threading.Thread(target=lambda: heard.append(read_events(url, "/v1/changes")))
        one.start()
        wait_until(lambda: "GET" in httpx.get(f"{url}/metrics").text and one.is_alive())
        before = filled.change()
        filled.update(1, {"a": 1})
        threading.Event().wait(1.0)
    one.join(20)
    assert not one.is_alive()
    assert heard[0][0] == {"change": before}
    assert heard[0][-1]["change"] > before


def test_clusterings_are_made_refreshed_and_fail_as_jobs(filled: Collection) -> None:
    with open_client(filled) as client:
        made = client.post("/v1/clusterings", json={"name": "mine", "k": 2})
        assert made.status_code == 202
        assert wait_for_job(client, made.json()["id"])["report"]["clusters"] == 2
        assert client.get("/v1/levels").json()["levels"] == ["coarse", "medium", "fine", "mine"]
        again = client.post("/v1/clusterings/mine/refresh").json()
        assert wait_for_job(client, again["id"])["state"] == "done"
        failed = client.post("/v1/clusterings", json={"name": "more", "k": 50}).json()
        told = wait_for_job(client, failed["id"])
        assert told["state"] == "failed"
        assert "can't cluster these 5 items" in told["error"]
        assert client.delete("/v1/clusterings/mine").status_code == 204


def test_copies_are_compared_as_a_job(filled: Collection) -> None:
    with open_client(filled) as client:
        job = client.post("/v1/duplicates/find").json()
        wanted = {"groups": len(filled.duplicates()), "change": filled.change()}
        assert wait_for_job(client, job["id"])["report"] == wanted


def test_metrics_tell_routes_and_never_what_was_asked(filled: Collection) -> None:
    with open_client(filled) as client:
        client.get("/v1/items/1")
        client.get("/secret/place")
        client.request("SECRET", "/")
        text = client.get("/metrics").text
    assert 'nearkin_requests_total{method="GET",route="/v1/items/{item}",status="200"} 1.0' in text
    assert 'route="none",status="404"' in text
    assert "nearkin_items 5.0" in text
    assert "secret" not in text.lower()


def test_health(filled: Collection) -> None:
    with open_client(filled) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/readyz").json() == {"status": "ok", "change": filled.change()}


def test_log_lines_are_one_line_each() -> None:
    record = logging.makeLogRecord(
        {"msg": "a\nb\x1b[31m", "name": "nearkin.access", "levelname": "INFO", "status": 200}
    )
    assert "\n" not in logs.LineFormatter("text").format(record)
    said = json.loads(logs.LineFormatter("json").format(record))
    assert (said["message"], said["status"], said["level"]) == ("a\nb\x1b[31m", 200, "info")


def test_who_writes_is_not_told_outside() -> None:
    answer = answer_library_error(WriterBusy("another writer is at work: process 7 (nearkin serve --secret)"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert b"secret" not in answer.body


def test_a_fault_tells_nothing(filled: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    from starlette.testclient import TestClient

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/secret/path")

    with TestClient(create_app(filled), "http://localhost", raise_server_exceptions=False) as client:
        monkeypatch.setattr(Collection, "count", broken)
        answer = client.get("/v1/count")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-frame-options"] == "DENY"
    assert "secret" not in answer.text


def test_another_writer_is_waited_for_and_then_told(filled: Collection, tmp_path: Path) -> None:
    with (
        Collection.open(filled.path, wait=0.1) as impatient,
        open_client(impatient) as client,
        filled._catalogue.transaction(),
    ):
        answer = client.patch("/v1/items/1", json={"text": "x"})
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:nearkin:writer-busy")
        assert str(tmp_path) not in answer.text


def test_the_app_refuses_settings_that_make_no_sense(filled: Collection) -> None:
    from retrieval.server import ServerSettings

    with pytest.raises(BadSetting):
        create_app(filled, ServerSettings("0.0.0.0"))
