"""A real server: its start and its end, kills, several processes, other writers, folders that are watched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from indexers.errors import BadSetting, CollectionNotFound
from retrieval import Collection
from retrieval.server import ServerSettings, serve
from tests.support.serving import (
    CLIENT_HEADERS,
    READ,
    ROOT,
    RUN,
    WRITE,
    ServerProcess,
    make_png,
    paint_folder,
    wait_for_job,
    wait_until,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty collection that embeds with `tiny`."""
    with Collection.open(tmp_path / "collection", create=True, embedder="tiny"):
        return tmp_path / "collection"


def test_it_says_where_it_listens_and_ends_in_order(place: Path) -> None:
    with ServerProcess(place, "--log-format", "json") as server:
        assert server.announcement.startswith(f"nearkin serves {place} at http://127.0.0.1:")
        added = server.client.post("/v1/items", files={"pictures": make_png("red")})
        assert added.status_code == 201
        with server.client.stream("GET", "/v1/changes") as stream:
            assert "change" in next(stream.iter_lines())
            started = time.monotonic()
            assert server.end() == 0
            assert time.monotonic() - started < 15
        lines = [json.loads(line) for line in server.log.splitlines()]
    asked = [line for line in lines if line["logger"] == "nearkin.access"]
    assert {"method": "POST", "route": "/v1/items", "status": 201}.items() <= asked[-2].items()
    assert asked[-2]["ms"] > 0
    with Collection.open(place) as left:
        assert left.count() == 1
        assert left.info().repairs == ()


def test_a_request_that_is_under_way_is_finished(place: Path, tmp_path: Path) -> None:
    with ServerProcess(place) as server:
        files = [("pictures", one.read_bytes()) for one in sorted(paint_folder(tmp_path / "many", 150).iterdir())]
        answers: list[httpx.Response] = []
        asking = threading.Thread(target=lambda: answers.append(server.client.post("/v1/items", files=files)))
        asking.start()
        wait_until(lambda: any((place / "pictures").rglob("*.png")))
        server.process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers[0].status_code == 201
        assert answers[0].json()["added"] == 150
        assert server.end() == 0


def test_a_killed_job_goes_on_at_the_next_start(place: Path, tmp_path: Path) -> None:
    paint_folder(tmp_path / "many", 1500)
    with ServerProcess(place, "--allow", tmp_path / "many") as server:
        kept = server.client.post("/v1/items", files={"pictures": make_png("red")}).json()["items"]
        job = server.client.post("/v1/jobs/add", json={"paths": [str(tmp_path / "many")]}).json()
        wait_until(lambda: server.client.get("/v1/count").json()["count"] > 100)
        seen = server.client.get("/v1/count").json()["count"]
        server.end(signal.SIGKILL)
    assert seen < 1501
    with ServerProcess(place, "--allow", tmp_path / "many") as server:
        done = wait_for_job(server.client, job["id"])
        assert (done["state"], done["tries"], done["report"]["failed"]) == ("done", 2, 0)
        assert done["report"]["known"] >= seen - 1
        assert server.client.get("/v1/count").json()["count"] == 1501
        assert server.client.get(f"/v1/items/{kept[0]}/picture").content == make_png("red")


def test_several_processes_answer_and_one_does_the_jobs(place: Path, tmp_path: Path) -> None:
    paint_folder(tmp_path / "many", 1500)
    with ServerProcess(place, "--workers", 2, "--allow", tmp_path / "many") as server:
        job = server.client.post("/v1/jobs/add", json={"paths": [str(tmp_path / "many")]}).json()
        uploaded = server.client.post("/v1/uploads", files={"picture": make_png("blue")}).json()["upload"]
        seen = []
        for _ in range(12):  # a new connection each, so that both processes are met
            with httpx.Client(base_url=server.url, headers=CLIENT_HEADERS, timeout=30) as other:
                seen.append(other.get(f"/v1/jobs/{job['id']}").json()["state"])
                assert other.get(f"/v1/uploads/{uploaded}/thumbnail").status_code == 200
        assert set(seen) <= {"queued", "running", "done"}
        with httpx.Client(base_url=server.url, headers=CLIENT_HEADERS, timeout=30) as other:
            other.delete(f"/v1/jobs/{job['id']}")
        ended = wait_for_job(server.client, job["id"])
        assert (ended["state"], ended["tries"]) == ("cancelled", 1)
        count = server.client.get("/v1/count").json()["count"]
        assert 0 < count < 1500
        assert server.end() == 0


def test_processes_end_when_the_one_that_looks_after_them_is_killed(place: Path) -> None:
    with ServerProcess(place, "--workers", 2) as server:
        server.end(signal.SIGKILL)

        def gone() -> bool:
            try:
                return httpx.get(f"{server.url}/healthz", timeout=2).status_code != 200
            except httpx.TransportError:
                return True

        wait_until(gone)


ELSEWHERE = """
import sys
from retrieval import Collection
with Collection.open(sys.argv[1]) as collection:
    collection.add(sys.argv[2])
"""


def test_what_another_process_adds_is_followed_within_a_second(place: Path, tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), "green").save(tmp_path / "green.png")
    told: list[float] = []
    with ServerProcess(place) as server:
        server.client.post("/v1/items", files={"pictures": make_png("red")})
        before = server.client.get("/readyz").json()["change"]

        def listen() -> None:
            with httpx.stream("GET", f"{server.url}/v1/changes", headers=CLIENT_HEADERS, timeout=60) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data:") and json.loads(line[5:])["change"] > before:
                        told.append(time.time())
                        return

        listening = threading.Thread(target=listen)
        listening.start()
        subprocess.run(
            [sys.executable, "-c", ELSEWHERE, str(place), str(tmp_path / "green.png")],
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        listening.join(20)
        with Collection.open(place) as seen:
            added = seen.items().items[-1]
        late = told[0] - datetime.fromisoformat(added.added_at).timestamp()
        assert late < 1.5, late  # (a second for people, and what a busy machine makes of it)
        hits = server.client.post("/v1/search", json={"item": 1}).json()["hits"]
        assert [hit["item"] for hit in hits] == [added.id]


def test_folders_are_kept_indexed(place: Path, tmp_path: Path) -> None:
    folder = paint_folder(tmp_path / "watched", 3)
    with ServerProcess(place, "--watch", folder) as server:

        def holds(what: str, count: int) -> bool:
            return bool(server.client.get("/v1/count", params={"where": what}).json()["count"] == count)

        wait_until(lambda: holds('{"missing": false}', 3))
        Image.new("RGB", (20, 20), "green").save(folder / "more.png")
        wait_until(lambda: holds('{"missing": false}', 4))
        (folder / "more.png").unlink()
        wait_until(lambda: holds('{"missing": true}', 1))
        assert server.client.get("/v1/info").json()["server"]["watching"] == ["watched"]
        assert all(job["state"] == "done" for job in server.client.get("/v1/jobs").json()["jobs"][1:])


def test_tokens_of_the_environment_are_told_to_nobody(place: Path) -> None:
    with ServerProcess(place, NEARKIN_READ_TOKEN=READ, NEARKIN_WRITE_TOKEN=WRITE) as server:
        assert server.client.get("/v1/count").status_code == 401
        headers = {"Authorization": f"Bearer {WRITE}"}
        assert server.client.post("/v1/items", files={"pictures": make_png("red")}, headers=headers).status_code == 201
        line = Path(f"/proc/{server.process.pid}/cmdline")
        assert not line.exists() or WRITE not in line.read_text()
        assert server.end() == 0
        assert not any(token in server.log + server.announcement for token in (READ, WRITE))
    assert WRITE not in (place / "writer.json").read_text()


def test_tokens_of_the_command_line_are_not_kept(place: Path) -> None:
    with ServerProcess(place, "--write-token", WRITE) as server:
        headers = {"Authorization": f"Bearer {WRITE}"}
        assert server.client.post("/v1/items", files={"pictures": make_png("red")}, headers=headers).status_code == 201
    assert WRITE not in (place / "writer.json").read_text()
    assert WRITE not in server.log


def run_refused(*words: Any, **environment: str) -> str:
    done = subprocess.run(
        [*RUN, "serve", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_does_not_listen_beyond_this_machine_without_a_token(place: Path) -> None:
    assert "no token is set" in run_refused("-c", place, "--host", "0.0.0.0", "--port", 0)


def test_what_is_wrong_is_said_before_it_listens(place: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound):
        serve(tmp_path / "none", ServerSettings())
    with pytest.raises(BadSetting, match="workers"):
        serve(place, ServerSettings(), workers=0)
    with pytest.raises(BadSetting, match="log_format"):
        serve(place, ServerSettings(), log_format="xml")
    with pytest.raises(BadSetting, match="the collection lies in"):
        serve(place, ServerSettings(watch=(tmp_path,)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadSetting, match="cannot listen on"):
            serve(place, ServerSettings(port=taken.getsockname()[1]))
