"""A collection served in this process, for tests and benches that browse it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval import Collection
from retrieval.server import ServerSettings, create_app

CHROMIUM = "/usr/bin/chromium"


@dataclass(frozen=True)
class LocalServer:
    address: str
    collection: Collection
    folder: Path


@contextmanager
def serve_in_thread(folder: Path, embedder: Any = None, **settings: Any) -> Iterator[LocalServer]:
    """Serve a collection at a port of its own. `settings`: those of ServerSettings."""
    import uvicorn

    with Collection.open(folder, embedder=embedder) as collection:
        app = create_app(collection, ServerSettings(**settings))
        server = uvicorn.Server(
            uvicorn.Config(app, port=0, ws="none", log_level="warning", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        try:
            port = server.servers[0].sockets[0].getsockname()[1]
            yield LocalServer(f"http://127.0.0.1:{port}", collection, folder)
        finally:
            server.should_exit = True
            thread.join()
