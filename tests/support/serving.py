"""Servers for tests: in this process, over ASGI or in a thread; and real ones, in processes of their own."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import uvicorn
from PIL import Image
from starlette.testclient import TestClient

from retrieval import Collection
from retrieval.server import ServerSettings, create_app
from retrieval.server.run import build_config

ROOT = Path(__file__).parents[2]
PROGRAM = "import sys; sys.argv[0] = 'nearkin'; from retrieval.cli.app import main; main()"
RUN = (sys.executable, "-c", PROGRAM)
CLIENT_HEADERS = {"X-Nearkin": "test"}
READ, WRITE = "read-token-of-the-tests", "write-token-of-the-tests"


def make_png(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    """Return a plain picture as a PNG file."""
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def paint_folder(folder: Path, count: int) -> Path:
    """Fill a folder with plain pictures, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (24, 24), (number % 256, 80 * (number // 256) % 256, 37 * number % 256)).save(
            folder / f"{number:05}.png"
        )
    return folder


@contextmanager
def open_client(
    collection: Collection, *, headers: dict[str, str] | None = None, **settings: Any
) -> Iterator[TestClient]:
    """Yield a client of an app in this process. `settings`: those of ServerSettings."""
    app = create_app(collection, ServerSettings(**settings))
    with TestClient(app, "http://localhost", headers=CLIENT_HEADERS if headers is None else headers) as client:
        yield client


@contextmanager
def listen_in_thread(collection: Collection, **settings: Any) -> Iterator[str]:
    """Yield the address of a real server in a thread of this process. `settings`: those of ServerSettings."""
    app = create_app(collection, ServerSettings(**settings))
    with listen_to_app(app, build_config(app)) as url:
        yield url


@contextmanager
def listen_to_app(app: Any, config: uvicorn.Config | None = None) -> Iterator[str]:
    """Yield the address of a server of any app in a thread of this process."""
    server = uvicorn.Server(config or uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


class AppTransport(httpx.BaseTransport):
    """Carries the requests of our own client to an app in this process."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = list(request.headers.items())
        response = self._client.request(request.method, str(request.url), content=request.read(), headers=headers)
        return httpx.Response(response.status_code, headers=list(response.headers.items()), content=response.content)


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return the value of `condition` as soon as it is true; fail after that many seconds."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return value


def wait_for_job(client: Any, job_id: str) -> dict[str, Any]:
    """Return the job when it has ended."""

    def read_ended() -> Any:
        job = client.get(f"/v1/jobs/{job_id}").json()
        return job if job["state"] in ("done", "failed", "cancelled") else None

    job: dict[str, Any] = wait_until(read_ended, seconds=120)
    return job


def exchange(url: str, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send bytes over a connection of its own; return what comes back until the server closes it."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=40) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:  # the server has closed the connection already
                break
            time.sleep(pause)
        received = io.BytesIO()
        try:
            while data := connection.recv(65536):
                received.write(data)
        except (ConnectionResetError, TimeoutError):
            pass
        return received.getvalue()


class ServerProcess:
    """`nearkin serve` in a process of its own, on a free port, with a client that may change things.

    `before`: Python that runs first.
    """

    def __init__(self, collection: Path, *options: Any, before: str = "", **environment: str) -> None:
        log = collection.parent / f"server-{time.time_ns()}.log"
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    before + PROGRAM,
                    "serve",
                    "-c",
                    str(collection),
                    "--port",
                    "0",
                    *map(str, options),
                ],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )
        self._log = log
        assert self.process.stdout
        self.announcement = self.process.stdout.readline()
        address = re.search(r"http://\S+", self.announcement)
        assert address, self.log
        self.url = address[0]
        self.client = httpx.Client(base_url=self.url, headers=CLIENT_HEADERS, timeout=30)
        wait_until(self._is_alive, seconds=120)

    def _is_alive(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        """What the process has written to standard error."""
        return self._log.read_text()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process by a signal; return its exit code."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=40)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
