"""Jobs and changes over HTTP, as they happen."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from retrieval import Collection
from retrieval.server import state
from retrieval.server.job_kinds import build_job_functions
from tests.support.serving import (
    CLIENT_HEADERS,
    listen_in_thread,
    make_png,
    open_client,
    paint_folder,
    wait_for_job,
    wait_until,
)


def read_events(url: str, path: str) -> list[Any]:
    """Return all events of a stream, when it has ended."""
    with httpx.stream("GET", url + path, headers=CLIENT_HEADERS, timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        return [json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:")]


def test_several_listen_to_one_job(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 400)
    with listen_in_thread(collection, allow=(folder,)) as url:
        job = httpx.post(f"{url}/v1/jobs/add", json={"paths": [str(folder)]}, headers=CLIENT_HEADERS).json()
        path = f"/v1/jobs/{job['id']}/events"
        streams: list[list[Any]] = []
        threads = [threading.Thread(target=lambda: streams.append(read_events(url, path))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [states[-1]["state"] for states in streams] == ["done"] * 3
        assert streams[0][-1]["report"]["added"] == 400
        assert any(state["state"] == "running" for state in streams[0])
        assert read_events(url, path)[-1]["state"] == "done"


def test_streams_end_with_the_server(filled: Collection) -> None:
    streams: list[list[Any]] = []
    with listen_in_thread(filled) as url:
        thread = threading.Thread(target=lambda: streams.append(read_events(url, "/v1/changes")))
        thread.start()
        wait_until(lambda: "GET" in httpx.get(f"{url}/metrics").text and thread.is_alive())
        before = filled.change()
        filled.update(1, {"a": 1})
        threading.Event().wait(1.0)
    thread.join(20)
    assert not thread.is_alive()
    assert streams[0][0] == {"change": before}
    assert streams[0][-1]["change"] > before


def test_folders_that_are_not_allowed_are_refused_whether_they_exist_or_not(
    collection: Collection, tmp_path: Path
) -> None:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret").mkdir()
    with open_client(collection, allow=(tmp_path / "allowed",)) as client:
        answers = [
            client.post("/v1/jobs/add", json={"paths": [str(path)]})
            for path in (tmp_path / "secret", tmp_path / "nothing", tmp_path / "allowed" / ".." / "secret", "/")
        ]
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.json()["detail"] for answer in answers}) == 1
        assert "--allow" in answers[0].json()["detail"]
        assert client.get("/v1/jobs").json() == {"jobs": []}


@pytest.mark.parametrize("kind", ["add", "sync"])
def test_an_empty_path_is_not_the_current_folder(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(folder)
    with open_client(collection, allow=(folder,)) as client:
        answer = client.post(f"/v1/jobs/{kind}", json={"paths": [str(folder), ""]})
        assert (answer.status_code, "paths" in answer.text) == (422, True)
        assert client.get("/v1/jobs").json() == {"jobs": []}


def test_jobs_are_listed_newest_first_and_cancelled(collection: Collection, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "red.png").write_bytes(make_png("red"))
    with open_client(collection, allow=(folder,)) as client:
        first = client.post("/v1/jobs/add", json={"paths": [str(folder / "red.png")], "metadata": {"a": 1}})
        assert first.status_code == 202
        done = wait_for_job(client, first.json()["id"])
        assert (done["state"], done["report"]["added"], done["asked"]["sync"]) == ("done", 1, False)
        assert collection.get(1).metadata == {"a": 1}
        second = client.post("/v1/duplicates/find").json()
        assert [job["id"] for job in client.get("/v1/jobs").json()["jobs"]] == [second["id"], done["id"]]
        assert client.delete(f"/v1/jobs/{done['id']}").json() == done
        assert client.delete(f"/v1/jobs/{'0' * 24}").status_code == 404
        assert client.get("/v1/jobs/x/events").status_code == 404


@pytest.mark.skipif(os.name == "nt", reason="links take rights of their own")
@pytest.mark.parametrize("door", ["allow", "watch"])
def test_links_do_not_lead_out_of_folders_that_are_allowed_or_watched(
    collection: Collection, tmp_path: Path, door: str
) -> None:
    share, private = paint_folder(tmp_path / "share", 2), paint_folder(tmp_path / "private", 3)
    (share / "folder").symlink_to(private)
    (share / "file.png").symlink_to(private / "00000.png")
    with open_client(collection, **{door: (share,)}) as client:
        if door == "allow":
            job = client.post("/v1/jobs/add", json={"paths": [str(share)]}).json()
        else:
            wait_until(lambda: client.get("/v1/jobs").json()["jobs"])
            job = client.get("/v1/jobs").json()["jobs"][0]
        report = wait_for_job(client, job["id"])["report"]
        assert (report["added"], report["failed"]) == (2, 2)
        assert all(failure["reason"].startswith("it lies outside") for failure in report["failures"])
        assert client.get("/v1/count").json() == {"count": 2}
        if door == "allow":
            for path in (f"zip://*.png::{share}/a.zip", f"{share}/folder/*.png", f"file://{private}"):
                assert client.post("/v1/jobs/add", json={"paths": [path]}).status_code == 403


def test_a_job_of_an_earlier_server_keeps_to_the_folders_of_this_one(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 2)
    functions = build_job_functions(collection, ())
    report = functions["add"]({"paths": [str(folder)], "metadata": None, "sync": False}, lambda *_: None)
    assert (report["added"], report["failed"]) == (0, 1)
    request = {"paths": [str(folder)], "metadata": None, "retry_failed": True, "check": False}
    report = functions["sync"](request, lambda *_: None)
    assert (report["added"], report["failed"]) == (0, 1)


def test_folders_are_kept_in_step_as_a_job(collection: Collection, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "many", 3)
    with open_client(collection, allow=(folder,)) as client:
        body = {"paths": [str(folder)], "metadata": {"a": 1}, "check": True, "retry_failed": True}
        begun = client.post("/v1/jobs/sync", json=body)
        assert (begun.status_code, begun.json()["kind"], begun.json()["asked"]) == (202, "sync", body)
        assert wait_for_job(client, begun.json()["id"])["report"]["added"] == 3
        (folder / "00001.png").unlink()
        again = client.post("/v1/jobs/sync", json={"paths": [str(folder)]}).json()
        report = wait_for_job(client, again["id"])["report"]
        assert (report["known"], report["missing"], report["returned"]) == (2, 1, 0)
        assert client.post("/v1/jobs/sync", json={"paths": ["/etc"]}).status_code == 403
        assert client.post("/v1/jobs/sync", json={"paths": []}).status_code == 422


def test_so_many_streams_are_open_at_once(filled: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MAX_STREAMS", 1)
    with listen_in_thread(filled) as url, httpx.stream("GET", f"{url}/v1/changes", timeout=30) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()  # the stream ends with it
        assert next(lines).startswith("data:")
        refused = httpx.get(f"{url}/v1/changes")
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:nearkin:too-busy")
        assert httpx.get(f"{url}/v1/count").json() == {"count": filled.count()}
