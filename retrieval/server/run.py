"""Running the server: a socket, one process or several, and an orderly end."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors.multiprocess import Multiprocess

from indexers.errors import BadSetting
from indexers.pictures.isolation import can_isolate
from retrieval import Collection
from retrieval.server.app import create_app
from retrieval.server.logs import FORMATS, configure_logging
from retrieval.server.protocol import TimeoutProtocol
from retrieval.server.settings import ServerSettings
from retrieval.server.state import State

log = logging.getLogger("nearkin.server")

SHUTDOWN_SECONDS = 6
"""How long running requests may take to finish when the server ends."""
SAVE_SECONDS = 30.0
"""How long the jobs may then take to stop, and the derived files of a large collection to be saved."""
EXIT_SECONDS = 0.5
"""How long the threads of requests may then go on."""
WORKER_SECONDS = 60
"""How long a worker may leave its supervisor without an answer. It answers only once it has imported everything; with
uvicorn's 5 seconds, workers of a busy machine were killed and started again for ever."""


def serve(
    folder: Path,
    settings: ServerSettings,
    *,
    workers: int = 1,
    log_format: str = "text",
    announce: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve a collection until a signal (TERM, INT) ends the server: requests have SHUTDOWN_SECONDS to be finished,
    derived files are saved, and the running job goes on at the next start.

    The process then ends, whatever its threads are still doing: they can't be broken off, and nothing that was
    acknowledged depends on them.

    - `workers`: processes that answer; one of them does the jobs
    - `log_format`: text or json
    - `announce`: called with a line that names the address

    Raises BadSetting, and what `Collection.open` raises.
    """
    if workers < 1 or log_format not in FORMATS:
        raise BadSetting(f"workers must be 1 or more, log_format one of {', '.join(FORMATS)}")
    with Collection.open(folder) as collection:  # so that errors are reported before anything listens
        settings.check(collection.path)
    listener = bind_socket(settings)
    app = partial(create_worker_app, folder, settings, log_format)
    config = build_config(
        app,
        factory=True,
        workers=workers,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=WORKER_SECONDS,
    )
    announce(f"nearkin serves {folder} at {format_address(settings, listener)} (Ctrl+C ends it)")
    if workers > 1:
        Multiprocess(config, [listener]).run()
    else:
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn handles them, and then sends them again
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run([listener])


def build_config(app: Any, **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration of our server. `app`: an ASGI app or, with `factory=True`, a function that returns
    one."""
    return uvicorn.Config(
        app,
        http=TimeoutProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        **options,
    )


def bind_socket(settings: ServerSettings) -> socket.socket:
    """Return a socket bound to the host and the port of the settings. Raises BadSetting."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY if so named
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host.strip("[]"), settings.port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise BadSetting(
            f"cannot listen on {settings.host} port {settings.port}: {reason}; choose another --port or --host"
        ) from error
    listener.set_inheritable(True)
    return listener


def format_address(settings: ServerSettings, listener: socket.socket) -> str:
    """Return the URL at which the socket is reached."""
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    return f"http://{host}:{listener.getsockname()[1]}{settings.root_path}"


def create_worker_app(folder: Path, settings: ServerSettings, log_format: str) -> FastAPI:
    """Return the app of one process, which opens the collection and closes it."""
    configure_logging(log_format)
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    app = create_app(Collection.open(folder, isolated=int(can_isolate())), settings, close=True)
    threading.Thread(target=_end_in_time, args=(app.state.nearkin,), daemon=True).start()
    return app


def _end_in_time(state: State) -> None:
    """End this process soon after its app has ended: Python waits for every thread, and a search that somebody asked
    for can't be broken off. All that was acknowledged is on the disk."""
    state.stopped.wait()
    state.closed.wait(SHUTDOWN_SECONDS + SAVE_SECONDS)
    time.sleep(EXIT_SECONDS)
    log.warning("requests that were still being worked on were broken off")
    os._exit(0)


def _end_with_parent(parent: Any) -> None:
    """End this process when its supervisor is gone."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
