"""The server: a collection over HTTP, as a REST interface and as a page. `nearkin serve` runs it; `create_app` gives an
ASGI app for a server of your own.

- `app`: the application, put together from the parts below
- `settings`: who may ask and how much; `state`: the objects that the routes share
- `run`: a socket, one process or several, an orderly end; `protocol`: HTTP/1.1 with a time limit for headers
- `prefix`: the path below which the app is mounted, or at which a proxy shows it
- `guard`: checks before every request (host name, site, token, size) and headers of every response
- `bodies`: how much may be sent, how slowly, and by all together; `budget`: memory that requests share;
  `memory`: what the process gives back of it
- `routes/`: the routes, one file a topic; `responses`: JSON, pictures and ranges; `problems`: errors as documents
- `schemas`: request bodies and responses as JSON schemas; `openapi`: the document that describes all of it, with
  `examples`
- `job_queue`: long work in the background; `job_kinds`: what it consists of; `watch`: folders that are kept indexed
- `pictures`: thumbnails, uploads and pictures that were added by sending them
- `metrics`, `logs`: what operators read
- `static/`: the page's files
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.server.app import create_app
    from retrieval.server.run import serve
    from retrieval.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "serve"]

_MODULES = {"ServerSettings": "settings", "create_app": "app", "serve": "run"}
FORMER = {"Served": "ServerSettings", "application": "create_app"}
"""The names that these had before, which go on to work."""
NEEDS = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "watchfiles")


def __getattr__(name: str) -> Any:
    name = FORMER.get(name, name)
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    from importlib.util import find_spec

    from indexers.errors import MissingPackage

    missing = [package for package in NEEDS if find_spec(package) is None]
    if missing:
        raise MissingPackage(f"the server needs {', '.join(missing)}: pip install 'nearkin[server]'")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
