"""How a caller names an embedder: by the name of a plug-in, perhaps with an argument, or as an instance."""

from __future__ import annotations

from collections.abc import Iterable

from indexers import plugins
from indexers.embedders.base import Embedder
from indexers.types import Space


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


def find_own_space(embedder: str | Embedder, spaces: Iterable[Space]) -> Space | None:
    """Return the space that this embedder fills: the one of its name, else one that it would make equally.

    An embedder may be written in several ways, and what its plain name stands for may change from version to version:
    a plain name is first of all that of the space which has it.
    """
    name, family = name_of(embedder), name_of(embedder).partition(":")[0]
    related = [space for space in spaces if (space.embedder or "").partition(":")[0] == family]
    for space in related:
        if space.embedder == name:
            return space
    if not related:
        return None
    instance = plugins.load_member("nearkin.embedders", embedder)() if isinstance(embedder, str) else embedder
    for space in related:
        if space.embedder == instance.name or instance.complete_settings(space.settings) == instance.settings:
            return space
    return None
