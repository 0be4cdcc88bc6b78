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
from os import PathLike
from queue import SimpleQueue
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors.multiprocess import Multiprocess

from indexers.errors import BadSetting
from indexers.pictures.isolation import can_isolate
from retrieval import Collection
from retrieval.server.app import create_app
from retrieval.server.logs import FORMATS, configure_logging
from retrieval.server.memory import return_freed_memory
from retrieval.server.protocol import TimeoutProtocol
from retrieval.server.settings import ServerSettings
from retrieval.server.state import State

log = logging.getLogger("nearkin.server")

SHUTDOWN_SECONDS = 4
"""How long running requests may take to finish when the server ends."""
END_SECONDS = 7.0
"""How long all of the end may take: requests, the step of a job, saving derived files. What is not saved then is
replayed from the catalogue at the next start."""
EXIT_SECONDS = 0.5
"""How long the threads of requests may go on when all else has ended."""
POLL_SECONDS = 0.05
"""Time between two looks at what is waited for."""
WORKER_SECONDS = 60
"""How long a worker may leave its supervisor without an answer. It answers only once it has imported everything; with
uvicorn's 5 seconds, workers of a busy machine were killed and started again for ever."""


def serve(
    path: str | PathLike[str],
    settings: ServerSettings,
    *,
    workers: int = 1,
    log_format: str = "text",
    announce: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve a collection until a signal (TERM, INT) ends the server: requests have SHUTDOWN_SECONDS to be finished,
    derived files are saved, and the running job goes on at the next start.

    The process ends within END_SECONDS, whatever its threads are still doing: they can't be broken off, and nothing
    that was acknowledged depends on them.

    - `workers`: processes that answer; one of them does the jobs
    - `log_format`: text or json
    - `announce`: called with a line that names the address

    Raises BadSetting, and what `Collection.open` raises.
    """
    if workers < 1 or log_format not in FORMATS:
        raise BadSetting(f"workers must be 1 or more, log_format one of {', '.join(FORMATS)}")
    with Collection.open(path) as collection:  # so that errors are reported before anything listens
        settings.check(collection.path)
        address = collection.address
    listener = bind_socket(settings)
    app = partial(create_worker_app, path, settings, log_format)
    config = build_config(
        app,
        factory=True,
        workers=workers,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_worker_healthcheck=WORKER_SECONDS,
    )
    announce(f"nearkin serves {address} at {format_address(settings, listener)} (Ctrl+C ends it)")
    if workers > 1:
        _supervise(Multiprocess(config, [listener]))
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


def create_worker_app(path: str | PathLike[str], settings: ServerSettings, log_format: str) -> FastAPI:
    """Return the app of one process, which opens the collection and closes it."""
    configure_logging(log_format)
    return_freed_memory()
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
    app = create_app(Collection.open(path, isolated=int(can_isolate())), settings, close=True)
    # (no daemon: Python waits for it before it takes its objects apart, which nothing can break off)
    threading.Thread(target=_end_in_time, args=(app.state.nearkin,), name="nearkin-end").start()
    return app


def _end_in_time(state: State) -> None:
    """End this process soon after its app has ended, and within END_SECONDS after it was told to: Python waits for
    every thread, a search that somebody asked for can't be broken off, and saving may wait for it. All that was
    acknowledged is on the disk."""
    main = threading.main_thread()
    while not state.stopped.wait(EXIT_SECONDS):
        if not main.is_alive():  # it did not start
            return
    deadline = time.monotonic() + END_SECONDS
    _wait_until(lambda: not main.is_alive(), deadline)
    if not _wait_until(_is_idle, min(deadline, time.monotonic() + EXIT_SECONDS)):
        log.warning("what was still being worked on was broken off")
        state.jobs.give_back()
    os._exit(0)


def _is_idle() -> bool:
    """Return True if Python's end has no thread to wait for, beside the one that calls this."""
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    return not any(thread.is_alive() and not thread.daemon for thread in others)


def _wait_until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until the condition holds; return False if it does not at the deadline."""
    while not (holds := condition()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return holds


def _supervise(supervisor: Multiprocess) -> None:
    """Run the processes that answer, until a signal ends them and this one. uvicorn itself looks at its signals only
    when each process has answered it, which one that is busy or stopped may not do for WORKER_SECONDS."""
    numbers: SimpleQueue[int] = SimpleQueue()  # the one queue that a handler may put something into
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: numbers.put(number))
    threading.Thread(target=_end_workers, args=(supervisor, numbers), daemon=True).start()
    supervisor.run()


def _end_workers(supervisor: Multiprocess, numbers: SimpleQueue[int]) -> None:
    """Wait for a signal, and pass it on. End this process with those that it looks after; kill what is left of them
    when they have had time."""
    numbers.get()
    supervisor.should_exit.set()
    if os.name != "nt":  # there, uvicorn knows how
        for worker in list(supervisor.processes):
            worker.process.terminate()
    time.sleep(END_SECONDS + EXIT_SECONDS)  # this process ends meanwhile, unless it waits for one that does not answer
    for worker in list(supervisor.processes):
        worker.process.kill()
    os._exit(0)


def _end_with_parent(parent: Any) -> None:
    """End this process when its supervisor is gone."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
