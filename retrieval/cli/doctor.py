"""What is installed, what is missing, and the command that brings it."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
from contextlib import suppress
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
from indexers.catalogue.sqlite import NETWORK, find_file_system
from indexers.errors import NearkinError
from retrieval.records.base import Record

DEVELOPERS = ("all", "bench", "test")
"""Extras that nobody needs who only uses it."""
MODULES = {"opencv-python-headless": "cv2"}
"""Distributions in whose place another one may bring the module."""


@dataclass(frozen=True, slots=True)
class Check(Record):
    """One thing looked at. `needed`: without it nothing works."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = False


def examine(folder: Path) -> list[Check]:
    """Everything that can be in the way of work in that folder."""
    return [*_check_system(), *_check_folder(folder.resolve()), *_check_extras(), *_check_members(), *_check_plugins()]


def _check_system() -> list[Check]:
    old = sys.version_info < (3, 11)
    lite = sqlite3.sqlite_version_info < (3, 35)
    return [
        Check("Python", not old, platform.python_version(), "install Python 3.11 or newer" if old else "", True),
        Check("SQLite", not lite, sqlite3.sqlite_version, "install SQLite 3.35 or newer" if lite else "", True),
        Check(
            "hnswlib",
            _is_installed("hnswlib"),
            _find_version("hnswlib"),
            ""
            if _is_installed("hnswlib")
            else "pip install hnswlib (needs a C++ compiler: apt install build-essential python3-dev)",
            True,
        ),
    ]


def _check_folder(folder: Path) -> list[Check]:
    place = folder
    while not place.exists():
        place = place.parent
    writable, kind = os.access(place, os.W_OK), find_file_system(place)
    return [
        Check("folder", writable, str(folder), "" if writable else f"make {place} writable, or use -c", True),
        Check(
            "file system",
            kind not in NETWORK,
            kind or "unknown",
            "keep the collection on a local disk" if kind in NETWORK else "",
            True,
        ),
    ]


def _check_extras() -> list[Check]:
    """The packages of each extra, and the command that brings what is missing of them."""
    try:
        found = list_extras()
    except PackageNotFoundError:
        remedy = "pip install nearkin, or pip install -e . in its checkout"
        return [Check("extras", False, "unknown: nearkin is not installed as a distribution", remedy)]
    return [_check_extra(name, packages) for name, packages in found.items()]


def _check_extra(name: str, packages: list[str]) -> Check:
    missing = [one for one in packages if not _is_installed(one)]
    there = [f"{one} {_find_version(one)}" for one in packages if one not in missing]
    found = ", ".join(there + ["missing: " + ", ".join(missing)] * bool(missing))
    return Check(f"extra {name}", not missing, found, f"pip install 'nearkin[{name}]'" if missing else "")


def list_extras() -> dict[str, list[str]]:
    """The packages that each extra brings, as the installed distribution itself says. Raises PackageNotFoundError."""
    found: dict[str, list[str]] = {}
    for one in requires("nearkin") or ():
        package, extra = re.match(r"[\w.-]+", one), re.search(r"extra\s*==\s*['\"]([\w.-]+)", one)
        if package and extra and extra[1] not in DEVELOPERS:
            found.setdefault(extra[1], []).append(package[0])
    return found


def _check_members() -> list[Check]:
    """Our own members of each family."""
    return [_check_loading(group, name, "built in") for group, own in plugins.BUILT_IN.items() for name in sorted(own)]


def _check_plugins() -> list[Check]:
    """What other distributions bring to each family, and whether it loads."""
    points = [(group, one) for group in plugins.BUILT_IN for one in sorted(entry_points(group=group))]
    return [_check_plugin(group, point) for group, point in points]


def _check_plugin(group: str, point: EntryPoint) -> Check:
    origin = f"from {point.dist.name} {point.dist.version}" if point.dist else f"from {point.value}"
    if point.name in plugins.BUILT_IN[group]:
        return Check(
            f"{_name_family(group)} {point.name}", False, f"{origin}: hidden by our own of that name", "rename it"
        )
    return _check_loading(group, point.name, origin)


def _check_loading(group: str, name: str, origin: str) -> Check:
    what = f"{_name_family(group)} {name}"
    try:
        plugins.load_member(group, name)
    except NearkinError as error:
        return Check(what, False, f"{origin}: {error}")
    except Exception as error:  # whatever somebody else's code does when it is imported
        return Check(what, False, f"{origin}: can't be loaded: {type(error).__name__}: {error}")
    return Check(what, True, origin)


def _name_family(group: str) -> str:
    return {"nearkin.vectors": "index"}.get(group, group.removeprefix("nearkin.").removesuffix("s"))


def _is_installed(name: str) -> bool:
    return _find_version(name) != "not installed"


def _find_version(name: str) -> str:
    """Of the distribution, or of another one that brings the same module."""
    with suppress(PackageNotFoundError):
        return version(name)
    others = packages_distributions().get(MODULES[name], ()) if name in MODULES else ()
    return next((version(other) for other in others), "not installed")
