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
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from PIL import Image

from indexers.errors import BadSetting, CollectionNotFound
from retrieval import Collection
from retrieval.server import ServerSettings, serve
from retrieval.server.run import bind_socket, format_address
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

MANY = 400


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty collection that embeds with `tiny`."""
    return create_collection(tmp_path / "collection")


def create_collection(place: Path) -> Path:
    Collection.open(place, create=True, embedder="tiny").close()
    return place


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of so many pictures that adding them takes a while. Tests only read it."""
    return paint_folder(tmp_path_factory.mktemp("many"), MANY)


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, Path, Path]]:
    """A server that keeps a folder of three pictures indexed and has a token, its collection, and the folder."""
    root = tmp_path_factory.mktemp("watching")
    place, folder = create_collection(root / "collection"), paint_folder(root / "watched", 3)
    with ServerProcess(place, "--watch", folder, "--write-token", WRITE) as server:
        server.client.headers["Authorization"] = f"Bearer {WRITE}"
        yield server, place, folder


# ---- its start and its end


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
    requests = [line for line in lines if line["logger"] == "nearkin.access"]
    assert {"method": "POST", "route": "/v1/items", "status": 201}.items() <= requests[-2].items()
    assert requests[-2]["ms"] > 0
    with Collection.open(place) as collection:
        assert collection.count() == 1
        assert collection.info().repairs == ()


def test_a_request_that_is_under_way_is_finished(place: Path, many: Path) -> None:
    patient = "import retrieval.server.run as run; run.SHUTDOWN_SECONDS = run.END_SECONDS = 90; "
    with ServerProcess(place, before=patient) as server:
        files = [("pictures", path.read_bytes()) for path in sorted(many.iterdir())[:40]]
        responses: list[httpx.Response] = []
        sender = threading.Thread(target=lambda: responses.append(server.client.post("/v1/items", files=files)))
        sender.start()
        wait_until(lambda: any((place / "pictures").rglob("*.png")))
        server.process.send_signal(signal.SIGTERM)
        sender.join()
        assert responses[0].status_code == 201
        assert responses[0].json()["added"] == 40
        assert server.end() == 0


ENDLESS = """
import os, threading
import retrieval.server.run
from retrieval.collection import Collection
def search(*_, **__):
    os.write(1, b"searching\\n")
    threading.Event().wait()
Collection.search = search
retrieval.server.run.SHUTDOWN_SECONDS = 1
"""


def test_it_ends_in_time_whatever_its_threads_are_doing(place: Path) -> None:
    """More searches than it has threads never end, and uploads trickle in."""
    with ServerProcess(place, before=ENDLESS) as server, ExitStack() as connections:
        assert server.process.stdout
        port = int(server.url.rpartition(":")[2])
        start = "POST /v1/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nContent-Type: "
        search = start % ("search", 11) + 'application/json\r\n\r\n{"item": 1}'
        upload = start % ("uploads", 60_000_000) + "multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        waiting: list[socket.socket] = []
        for request in [search] * 50 + [upload] * 10:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            connections.enter_context(connection).sendall(request.encode())
            waiting.append(connection)
        for _ in range(40):
            assert server.process.stdout.readline() == "searching\n"
        assert server.end() == 0
        assert "was broken off" in server.log
        assert "Traceback" not in server.log
        answers = [connection.recv(100) for connection in waiting[:50]]  # some were waiting for a thread
        assert {answer[:12] for answer in answers} <= {b"", b"HTTP/1.1 503"}
        assert b"HTTP/1.1 503" in {answer[:12] for answer in answers}
    with Collection.open(place) as collection:
        assert collection.info().repairs == ()


STUCK = """
import threading
import retrieval.server.run
from retrieval.collection import Collection
def wait(*_, **__):
    if threading.current_thread() is not threading.main_thread():  # where the collection is looked at first
        threading.Event().wait()
Collection.close = Collection.sync = wait
retrieval.server.run.SHUTDOWN_SECONDS, retrieval.server.run.END_SECONDS = 0, 1
retrieval.server.job_queue.STOP_SECONDS = 60
"""


def test_it_ends_in_time_whatever_saving_waits_for_and_forgets_no_job(place: Path) -> None:
    with ServerProcess(place, "--allow", place.parent, before=STUCK) as server:
        job = server.client.post("/v1/jobs/sync", json={"paths": [str(place.parent)]}).json()
        wait_until(lambda: server.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "running")
        started = time.monotonic()
        assert server.end() == 0
        assert time.monotonic() - started < 8
        assert "Traceback" not in server.log
    kept = json.loads((place / "jobs" / f"{job['id']}.json").read_text())
    assert (kept["state"], kept["tries"]) == ("queued", 0)


def test_a_killed_job_goes_on_at_the_next_start(place: Path, many: Path) -> None:
    with ServerProcess(place, "--allow", many) as server:
        [red] = server.client.post("/v1/items", files={"pictures": make_png("red")}).json()["items"]
        job = server.client.post("/v1/jobs/add", json={"paths": [str(many)]}).json()
        wait_until(lambda: server.client.get("/v1/count").json()["count"] > 100)
        count = server.client.get("/v1/count").json()["count"]
        server.end(signal.SIGKILL)
    assert count < MANY + 1
    with ServerProcess(place, "--allow", many) as server:
        done = wait_for_job(server.client, job["id"])
        assert (done["state"], done["tries"], done["report"]["failed"]) == ("done", 2, 0)
        assert done["report"]["known"] >= count - 1
        assert server.client.get("/v1/count").json()["count"] == MANY + 1
        assert server.client.get(f"/v1/items/{red}/picture").content == make_png("red")


# ---- several processes


def test_several_processes_answer_and_one_does_the_jobs(place: Path, many: Path) -> None:
    with ServerProcess(place, "--workers", 2, "--allow", many) as server:
        job = server.client.post("/v1/jobs/add", json={"paths": [str(many)]}).json()
        upload = server.client.post("/v1/uploads", files={"picture": make_png("blue")}).json()["upload"]
        states = []
        for _ in range(12):  # a new connection each, so that both processes are met
            with httpx.Client(base_url=server.url, headers=CLIENT_HEADERS, timeout=30) as client:
                states.append(client.get(f"/v1/jobs/{job['id']}").json()["state"])
                assert client.get(f"/v1/uploads/{upload}/thumbnail").status_code == 200
        assert set(states) <= {"queued", "running", "done"}
        with httpx.Client(base_url=server.url, headers=CLIENT_HEADERS, timeout=30) as client:
            client.delete(f"/v1/jobs/{job['id']}")
        ended = wait_for_job(server.client, job["id"])
        assert (ended["state"], ended["tries"]) == ("cancelled", 1)
        count = server.client.get("/v1/count").json()["count"]
        assert 0 < count < MANY
        assert server.end() == 0


def test_processes_end_when_the_one_that_looks_after_them_is_killed(place: Path) -> None:
    with ServerProcess(place, "--workers", 2) as server:
        server.end(signal.SIGKILL)

        def is_gone() -> bool:
            try:
                return httpx.get(f"{server.url}/healthz", timeout=2).status_code != 200
            except httpx.TransportError:
                return True

        wait_until(is_gone)


def is_running(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_processes_end_in_time_though_one_of_them_has_stopped(place: Path) -> None:
    impatient = "import retrieval.server.run as run; run.END_SECONDS = 1; "
    with ServerProcess(place, "--workers", 2, before=impatient) as server:
        supervisor = server.process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
        workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(workers[0], signal.SIGSTOP)
        time.sleep(1)  # so that the supervisor waits for its answer
        assert server.end() == 0
        wait_until(lambda: not any(is_running(pid) for pid in workers))


# ---- what happens elsewhere

Watching = tuple[ServerProcess, Path, Path]


def test_folders_are_kept_indexed(watching: Watching) -> None:
    server, _, folder = watching

    def matches(where: str, count: int) -> bool:
        return bool(server.client.get("/v1/count", params={"where": where}).json()["count"] == count)

    wait_until(lambda: matches('{"missing": false}', 3))
    Image.new("RGB", (20, 20), "green").save(folder / "more.png")
    wait_until(lambda: matches('{"missing": false}', 4))
    (folder / "more.png").unlink()
    wait_until(lambda: matches('{"missing": true}', 1))
    assert server.client.get("/v1/info").json()["server"]["watching"] == ["watched"]
    assert all(job["state"] == "done" for job in server.client.get("/v1/jobs").json()["jobs"][1:])


ADDER = """
import sys
from retrieval import Collection
with Collection.open(sys.argv[1]) as collection:
    collection.add(sys.argv[2])
"""


def test_what_another_process_adds_is_followed_within_a_second(watching: Watching, tmp_path: Path) -> None:
    server, place, _ = watching
    Image.new("RGB", (20, 20), "purple").save(tmp_path / "purple.png")
    for job in wait_until(lambda: server.client.get("/v1/jobs").json()["jobs"]):  # so that the folder is indexed
        wait_for_job(server.client, job["id"])
    before = server.client.get("/readyz").json()["change"]
    arrivals: list[float] = []

    def listen() -> None:
        with httpx.stream("GET", f"{server.url}/v1/changes", headers=server.client.headers, timeout=60) as stream:
            for line in stream.iter_lines():
                if line.startswith("data:") and json.loads(line[5:])["change"] > before:
                    arrivals.append(time.time())
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    subprocess.run(
        [sys.executable, "-c", ADDER, str(place), str(tmp_path / "purple.png")],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    listener.join(20)
    with Collection.open(place) as collection:
        added = collection.items().items[-1]
    delay = arrivals[0] - datetime.fromisoformat(added.added_at).timestamp()
    assert delay < 1.5, delay  # (a second for people, and what a busy machine makes of it)
    hits = server.client.post("/v1/search", json={"item": 1, "k": 50}).json()["hits"]
    assert added.id in [hit["item"] for hit in hits]


# ---- tokens and other settings


def test_tokens_of_the_environment_are_told_to_nobody(place: Path) -> None:
    with ServerProcess(place, NEARKIN_READ_TOKEN=READ, NEARKIN_WRITE_TOKEN=WRITE) as server:
        assert server.client.get("/v1/count").status_code == 401
        headers = {"Authorization": f"Bearer {WRITE}"}
        assert server.client.post("/v1/items", files={"pictures": make_png("red")}, headers=headers).status_code == 201
        command_line = Path(f"/proc/{server.process.pid}/cmdline")
        assert not command_line.exists() or WRITE not in command_line.read_text()
        assert server.end() == 0
        assert not any(token in server.log + server.announcement for token in (READ, WRITE))
    assert WRITE not in (place / "writer.json").read_text()


def test_tokens_of_the_command_line_are_not_kept(watching: Watching) -> None:
    server, place, _ = watching
    assert server.client.post("/v1/items", files={"pictures": make_png("red")}).status_code == 201
    assert WRITE not in (place / "writer.json").read_text()
    assert WRITE not in server.log


def test_it_does_not_listen_beyond_this_machine_without_a_token(place: Path) -> None:
    refused = subprocess.run(
        [*RUN, "serve", "-c", str(place), "--host", "0.0.0.0", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert refused.returncode == 2, refused
    assert "no token is set" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_is_wrong_is_said_before_it_listens(place: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFound):
        serve(tmp_path / "none", ServerSettings())
    with pytest.raises(BadSetting, match="workers"):
        serve(place, ServerSettings(), workers=0)
    with pytest.raises(BadSetting, match="log_format"):
        serve(place, ServerSettings(), log_format="xml")
    with pytest.raises(BadSetting, match="the collection lies in"):
        serve(place, ServerSettings(watch=(place,)))
    with socket.socket() as occupied:
        occupied.bind(("127.0.0.1", 0))
        occupied.listen()
        with pytest.raises(BadSetting, match="cannot listen on"):
            serve(place, ServerSettings(port=occupied.getsockname()[1]))


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("[::1]", "[::1]")])
def test_addresses_are_shown_as_a_browser_takes_them(host: str, shown: str) -> None:
    for root_path in ("", "/pictures"):
        settings = ServerSettings(host, 0, root_path=root_path)
        with bind_socket(settings) as listener:
            assert format_address(settings, listener) == f"http://{shown}:{listener.getsockname()[1]}{root_path}"
