"""Running the server: a socket, one process or several, and an orderly end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors.multiprocess import Multiprocess

from indexers.errors import BadSetting
from retrieval import Collection
from retrieval.server.app import application
from retrieval.server.logs import FORMATS, configure
from retrieval.server.protocol import Patient
from retrieval.server.settings import Served

LEAVE = 20
"""Seconds that requests have to be finished when the server ends."""


def serve(
    folder: Path,
    served: Served,
    *,
    workers: int = 1,
    log_format: str = "text",
    say: Callable[[str], object] = lambda _: None,
) -> None:
    """Serve a collection until a signal (TERM, INT) ends it: requests are finished, derived files saved, the running
    job goes on at the next start. `say` is told the address. `workers`: processes that answer; one of them does jobs.

    Raises BadSetting, and what `Collection.open` raises.
    """
    if workers < 1 or log_format not in FORMATS:
        raise BadSetting(f"workers is a number from 1 on, log_format one of {', '.join(FORMATS)}")
    with Collection.open(folder) as found:  # what is wrong is said before anything listens
        served.check(found.path)
    listener = bound(served)
    app = partial(made, folder, served, log_format)
    config = uvicorn.Config(
        app,
        factory=True,
        http=Patient,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        workers=workers,
        timeout_graceful_shutdown=LEAVE,
    )
    say(f"nearkin serves {folder} at {address(served, listener)} (Ctrl+C ends it)")
    if workers > 1:
        Multiprocess(config, [listener]).run()
    else:
        for one in (signal.SIGTERM, signal.SIGINT):  # which the server handles, and then sends again
            signal.signal(one, lambda *_: None)
        uvicorn.Server(config).run([listener])


def bound(served: Served) -> socket.socket:
    """Raises BadSetting."""
    family = socket.AF_INET6 if ":" in served.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY if so named
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((served.host.strip("[]"), served.port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise BadSetting(f"{served.host} port {served.port} can't be listened on: {reason}") from error
    listener.set_inheritable(True)
    return listener


def address(served: Served, listener: socket.socket) -> str:
    host = f"[{served.host}]" if ":" in served.host and not served.host.startswith("[") else served.host
    return f"http://{host}:{listener.getsockname()[1]}"


def made(folder: Path, served: Served, log_format: str) -> FastAPI:
    """The app of one process, which opens the collection and closes it."""
    configure(log_format)
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_orphaned, args=(parent,), daemon=True).start()
    return application(Collection.open(folder, isolated=1), served, close=True)


def _orphaned(parent: Any) -> None:
    """End when the process is gone that looks after this one."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
