"""Name -> class for each family. Built-in members and those of other distributions come through the same door:
an entry point, loaded when it is first asked for."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from indexers.errors import MissingPackage, UnknownPlugin

BUILT_IN = {
    "nearkin.embedders": {
        "lite0": "indexers.embedders.lite0:Lite0",
        "classic": "indexers.embedders.classic:Classic",
        "tiny": "indexers.embedders.tiny:Tiny",
    },
    "nearkin.vectors": {
        "hnsw": "indexers.vectors.hnsw:Hnsw",
        "exact": "indexers.vectors.exact:Exact",
    },
    "nearkin.clusterers": {},
}


@cache
def members(group: str) -> dict[str, EntryPoint]:
    """All members of a family by name. A built-in name can't be taken by another distribution."""
    own = {name: EntryPoint(name, value, group) for name, value in BUILT_IN[group].items()}
    return {point.name: point for point in entry_points(group=group)} | own


def load(group: str, name: str) -> Any:
    """The class of that name.

    Raises UnknownPlugin with the names there are, MissingPackage if what it needs is not installed.
    """
    point = member(group, name)
    try:
        return point.load()
    except ImportError as error:
        raise MissingPackage(f"{name!r} needs the package {error.name!r}, which is not installed: {error}") from error


def member(group: str, name: str) -> EntryPoint:
    """Where the class of that name is to be found. Raises UnknownPlugin with the names there are."""
    built_in = BUILT_IN[group].get(name)
    if built_in:  # no scan of the installed distributions for a name of our own
        return EntryPoint(name, built_in, group)
    found = members(group).get(name)
    if found is None:
        family = group.removeprefix("nearkin.")
        known = ", ".join(sorted(members(group)))
        raise UnknownPlugin(f"there is no {family.removesuffix('s')} {name!r}; there are: {known}")
    return found
