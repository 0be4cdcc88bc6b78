"""The REST door and the page: a collection over HTTP. `nearkin serve` runs it; `application` is an ASGI app for your
own server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.server.app import application
    from retrieval.server.run import serve
    from retrieval.server.settings import Served

__all__ = ["Served", "application", "serve"]

_PLACE = {"Served": "settings", "application": "app", "serve": "run"}
NEEDS = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "watchfiles")


def __getattr__(name: str) -> Any:
    if name not in _PLACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    from importlib.util import find_spec

    from indexers.errors import MissingPackage

    missing = [one for one in NEEDS if find_spec(one) is None]
    if missing:
        raise MissingPackage(f"the server needs {', '.join(missing)}: pip install 'nearkin[server]'")
    return getattr(import_module(f"{__name__}.{_PLACE[name]}"), name)
