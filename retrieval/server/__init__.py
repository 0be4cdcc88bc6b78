"""The REST door and the page: a collection over HTTP. `nearkin serve` runs it; `application` is an ASGI app for your
own server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.server.app import application
    from retrieval.server.settings import Served

__all__ = ["Served", "application"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    place = {"Served": "settings", "application": "app"}[name]
    return getattr(import_module(f"{__name__}.{place}"), name)
