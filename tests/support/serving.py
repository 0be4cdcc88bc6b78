"""Servers for tests: in this process, over ASGI; and real ones, in processes of their own."""

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
from retrieval.server.protocol import TimeoutProtocol

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "-c", "import sys; sys.argv[0] = 'nearkin'; from retrieval.cli.app import main; main()")
CLIENT_HEADERS = {"X-Nearkin": "test"}
READ, WRITE = "read-token-of-the-tests", "write-token-of-the-tests"
COLOURS = ("red", "green", "blue", "yellow", "black", "white", "purple", "orange")


def make_png(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def paint_folder(folder: Path, count: int) -> Path:
    """A folder of so many plain pictures, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (24, 24), (number % 256, 80 * (number // 256) % 256, 37 * number % 256)).save(
            folder / f"{number:05}.png"
        )
    return folder


@contextmanager
def open_client(
    collection: Collection, *, headers: dict[str, str] | None = None, **served: Any
) -> Iterator[TestClient]:
    """A client of an app in this process."""
    app = create_app(collection, ServerSettings(**served))
    with TestClient(app, "http://localhost", headers=CLIENT_HEADERS if headers is None else headers) as client:
        yield client


@contextmanager
def listen_in_thread(collection: Collection, **served: Any) -> Iterator[str]:
    """The address of a real server in a thread of this process."""
    config = uvicorn.Config(
        create_app(collection, ServerSettings(**served)), http=TimeoutProtocol, log_config=None, lifespan="on"
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()


class AppTransport(httpx.BaseTransport):
    """From our own client to an app in this process."""

    def __init__(self, client: TestClient) -> None:
        self._client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        given = {"content": request.read(), "headers": list(request.headers.items())}
        answer = self._client.request(request.method, str(request.url), **given)
        return httpx.Response(answer.status_code, headers=list(answer.headers.items()), content=answer.content)


def wait_until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What it gives, as soon as that is something."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
    return found


def wait_for_job(client: Any, job: str) -> dict[str, Any]:
    """The job, when it has ended."""

    def ended() -> Any:
        found = client.get(f"/v1/jobs/{job}").json()
        return found if found["state"] in ("done", "failed", "cancelled") else None

    done: dict[str, Any] = wait_until(ended)
    return done


class ServerProcess:
    """`nearkin serve` in a process of its own, on a free port, with a client that may change things."""

    def __init__(self, collection: Path, *options: Any, **environment: str) -> None:
        log = collection.parent / f"server-{time.time_ns()}.log"
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [*RUN, "serve", "-c", str(collection), "--port", "0", *map(str, options)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            )
        self._log = log
        assert self.process.stdout
        self.said = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.said)
        assert found, self.log
        self.url = found[0]
        self.client = httpx.Client(base_url=self.url, headers=CLIENT_HEADERS, timeout=30)
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    @property
    def log(self) -> str:
        return self._log.read_text()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """What it ends with."""
        self.client.close()
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=40)
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()
