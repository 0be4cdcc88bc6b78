"""The checks of `nearkin doctor`: what is installed, what is missing, and the command that installs it."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    entry_points,
    packages_distributions,
    requires,
    version,
)
from pathlib import Path

from indexers import plugins
from indexers.catalogue.addresses import Address, DatabaseAddress
from indexers.catalogue.catalogue import Catalogue
from indexers.catalogue.sqlite import NETWORK, find_file_system
from indexers.errors import CollectionNotFound, NearkinError
from retrieval import config as configuration
from retrieval.records.base import Record
from retrieval.spaces.embedders import DEFAULT
from retrieval.spaces.info import describe_gain, describe_index, would_pay

DEVELOPERS = ("all", "bench", "test")
"""Extras for those who develop nearkin."""
MODULES = {"opencv-python-headless": "cv2"}
"""Distributions whose module another distribution may provide as well."""


@dataclass(frozen=True, slots=True)
class Check(Record):
    """The result of one check. `what`: the thing checked; `found`: its version or state; `remedy`: what to do if it is
    not `ok`; `needed`: nothing works without it."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = False


def examine(address: Address) -> list[Check]:
    """Check everything that work with a collection at that address depends on."""
    return [
        *_check_system(),
        *(_check_folder(address) if isinstance(address, Path) else [_check_database(address)]),
        _check_engine(),
        _check_words(address),
        *_check_index(address),
        *_check_extras(),
        *_check_members(),
        *_check_plugins(),
    ]


def _check_system() -> list[Check]:
    has_python = sys.version_info >= (3, 11)
    has_sqlite = sqlite3.sqlite_version_info >= (3, 35)
    remedies = ("install Python 3.11 or newer", "install SQLite 3.35 or newer")
    return [
        Check("Python", has_python, platform.python_version(), "" if has_python else remedies[0], True),
        Check("SQLite", has_sqlite, sqlite3.sqlite_version, "" if has_sqlite else remedies[1], True),
        _check_hnsw(),
    ]


def _check_hnsw() -> Check:
    """Check that the default index can be made, and say which package makes it."""
    serving = plugins.find_serving_name("nearkin.vectors", "hnsw")
    if serving == "hnsw":
        return Check("index hnsw", True, f"hnswlib {_find_version('hnswlib')}", needed=True)
    has_substitute = _is_installed(serving)
    remedy = "pip install 'nearkin[hnswlib]', which needs a C++ compiler: apt install build-essential python3-dev"
    state = f"{serving} {_find_version(serving)} serves in its place, since hnswlib is not installed"
    return Check("index hnsw", has_substitute, state, "" if has_substitute else remedy, True)


def _check_folder(folder: Path) -> list[Check]:
    """Check the folder, or the nearest folder above it that exists."""
    place = folder
    while not place.exists():
        place = place.parent
    is_writable, file_system = os.access(place, os.W_OK), find_file_system(place)
    is_local = file_system not in NETWORK
    remedies = (f"make {place} writable, or choose another folder with -c", "keep the collection on a local disk")
    return [
        Check("folder", is_writable, str(folder), "" if is_writable else remedies[0], True),
        Check("file system", is_local, file_system or "unknown", "" if is_local else remedies[1], True),
    ]


def _check_database(address: DatabaseAddress) -> Check:
    """Check that the database answers; that it holds no collection yet is no fault."""
    try:
        Catalogue.open(address, 0).close()
    except CollectionNotFound:
        return Check("database", True, f"{address}, still empty", needed=True)
    except NearkinError as error:
        return Check("database", False, str(address), str(error), True)
    return Check("database", True, str(address), needed=True)


def _check_index(address: Address) -> list[Check]:
    """Say of the collection at that address, if there is one, whether another index would pay."""
    with suppress(NearkinError), closing(Catalogue.open(address, 0)) as catalogue, catalogue.snapshot() as snapshot:
        config = configuration.load(catalogue.folder, {}, is_own=False)
        count = snapshot.vector_counts().get(snapshot.current_space_id or 0, 0)
        pays = would_pay(config, count)
        remedy = 'pip install "nearkin[rabitq]"; then NEARKIN_INDEX=auto, or index = "auto" in nearkin.toml'
        state = describe_gain(count) if pays else describe_index(config, count)
        return [Check("index of the collection", not pays, state, remedy if pays else "")]
    return []


def _check_words(address: Address) -> Check:
    """Check whether the collection at that address, or a new one, finds pictures by words for what they show."""
    name = DEFAULT
    with suppress(NearkinError), closing(Catalogue.open(address, 0)) as catalogue, catalogue.snapshot() as snapshot:
        current = [space.embedder for space in snapshot.spaces() if space.id == snapshot.current_space_id]
        name = current[0] or "" if current else DEFAULT
    reads = False
    with suppress(NearkinError):
        reads = bool(name) and plugins.load_member("nearkin.embedders", name).supports_text
    without = "reads no words; texts, metadata and file names are searched"
    state = f"{name or 'ready-made vectors'}: {'yes' if reads else without}"
    remedy = "" if reads else "nearkin add --embedder clip, which downloads a model; then nearkin use clip"
    return Check("search by words", reads, state, remedy)


def _check_engine() -> Check:
    """Check that the default embedder can be used, and say what computes its vectors."""
    title = f"engine of {DEFAULT}"
    try:
        embedder = plugins.load_member("nearkin.embedders", DEFAULT)()
        missing = embedder.missing()
        return Check(title, not missing, "none" if missing else embedder.describe_engine(), missing)
    except NearkinError as error:
        return Check(title, False, str(error))


def _check_extras() -> list[Check]:
    """Check the packages of each extra."""
    try:
        extras = list_extras()
    except PackageNotFoundError:
        remedy = "pip install nearkin, or pip install -e . in a checkout"
        return [Check("extras", False, "unknown: nearkin is not installed as a package", remedy)]
    return [_check_extra(name, packages) for name, packages in extras.items()]


def _check_extra(name: str, packages: list[str]) -> Check:
    missing = [package for package in packages if not _is_installed(package)]
    versions = [f"{package} {_find_version(package)}" for package in packages if package not in missing]
    state = ", ".join(versions + ["missing: " + ", ".join(missing)] * bool(missing))
    return Check(f"extra {name}", not missing, state, f"pip install 'nearkin[{name}]'" if missing else "")


def list_extras() -> dict[str, list[str]]:
    """Return the packages of each extra, as the installed distribution states them. Raises PackageNotFoundError."""
    extras: dict[str, list[str]] = {}
    for requirement in requires("nearkin") or ():
        package, extra = re.match(r"[\w.-]+", requirement), re.search(r"extra\s*==\s*['\"]([\w.-]+)", requirement)
        if package and extra and extra[1] not in DEVELOPERS:
            extras.setdefault(extra[1], []).append(package[0])
    return extras


def _check_members() -> list[Check]:
    """Check that nearkin's own members of each plug-in family load."""
    names = [(group, name) for group, members in plugins.BUILT_IN.items() for name in sorted(members)]
    names.remove(("nearkin.vectors", "hnsw"))  # it has a check of its own
    return [_check_loading(group, name, "built in") for group, name in names]


def _check_plugins() -> list[Check]:
    """Check that the members that other distributions add to each family load."""
    points = [(group, point) for group in plugins.BUILT_IN for point in sorted(entry_points(group=group))]
    return [_check_plugin(group, point) for group, point in points]


def _check_plugin(group: str, point: EntryPoint) -> Check:
    origin = f"from {point.dist.name} {point.dist.version}" if point.dist else f"from {point.value}"
    if point.name in plugins.BUILT_IN[group]:
        state = f"{origin}: hidden by the built-in {_name_family(group)} of that name"
        return Check(f"{_name_family(group)} {point.name}", False, state, "rename the plug-in")
    return _check_loading(group, point.name, origin)


def _check_loading(group: str, name: str, origin: str) -> Check:
    title = f"{_name_family(group)} {name}"
    try:
        plugins.load_member(group, name)
    except NearkinError as error:
        return Check(title, False, f"{origin}: {error}")
    except Exception as error:  # foreign code may raise anything when it is imported
        return Check(title, False, f"{origin}: cannot be loaded: {type(error).__name__}: {error}")
    return Check(title, True, origin)


def _name_family(group: str) -> str:
    """Return a plug-in family in the singular: `nearkin.embedders` -> `embedder`."""
    return {"nearkin.vectors": "index"}.get(group, group.removeprefix("nearkin.").removesuffix("s"))


def _is_installed(package: str) -> bool:
    return _find_version(package) != "not installed"


def _find_version(package: str) -> str:
    """Return the version of a distribution, or of another one that provides the same module."""
    with suppress(PackageNotFoundError):
        return version(package)
    distributions = packages_distributions().get(MODULES[package], ()) if package in MODULES else ()
    return next((version(distribution) for distribution in distributions), "not installed")
