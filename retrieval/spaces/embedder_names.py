"""How a caller names an embedder: by the name of a plug-in, perhaps with an argument, or as an instance."""

from __future__ import annotations

from indexers import plugins
from indexers.embedders.base import Embedder


def check_name(embedder: str | Embedder | None) -> None:
    """Raise UnknownPlugin before anything is created."""
    if isinstance(embedder, str):
        plugins.find_member("nearkin.embedders", embedder)


def embedder_setting(embedder: str | Embedder | None) -> dict[str, str]:
    """Return the setting of a new collection that keeps its embedder until the first picture makes the space."""
    return {} if embedder is None else {"embedder": name_of(embedder)}


def name_of(embedder: str | Embedder) -> str:
    """Return the name of an embedder."""
    return embedder if isinstance(embedder, str) else embedder.name


def normalise_name(name: str) -> str:
    """Return a name as the embedder itself spells it: its argument may be written in several ways."""
    return str(plugins.load_member("nearkin.embedders", name)().name) if ":" in name else name
