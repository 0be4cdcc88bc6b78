"""Settings: arguments over environment over the collection's file over defaults. An unknown key is an error."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indexers.errors import BadSetting
from indexers.types import Json, Limits

FILE = "nearkin.toml"
PREFIX = "NEARKIN_"
GRAPHS = frozenset({"hnsw", "usearch", "faiss"})
ELSEWHERE = {"COLLECTION", "READ_TOKEN", "WRITE_TOKEN"}  # read by the command line


@dataclass(frozen=True, slots=True)
class Config:
    """`m`, `ef_construction`, `ef`: HNSW's parameters (Malkov and Yashunin, 2018). `precision`: of the vectors in the
    indices `usearch` and `faiss`: bf16, or i8 (for the cosine). `metric`: of ready-made vectors; an
    embedder brings its own. `threads`: 0 is one a core. `batch`: pictures embedded at a time, 0 is the embedder's
    own choice. `isolated`: 1 decodes pictures in processes of their own, each in at most `seconds`: for pictures
    that nobody can vouch for. `web`: 1 lets pictures be fetched from web addresses that are not internal.
    `scan_below`: collections up to that size are scanned: as fast, and exact. `clusters`: 0 keeps none, for who
    only searches. `save_changes`, `save_seconds`: a derived file is saved after so many changes or seconds. `wait`:
    seconds that a writer waits for another one."""

    index: str = "hnsw"
    metric: str = "cosine"
    m: int = 16
    ef_construction: int = 200
    ef: int = 128
    precision: str = "bf16"
    device: str = "auto"
    threads: int = 0
    batch: int = 0
    max_pixels: int = 180_000_000
    max_bytes: int = 512 * 2**20
    isolated: int = 0
    web: int = 0
    seconds: float = 30.0
    wait: float = 5.0
    save_changes: int = 10_000
    save_seconds: float = 60.0
    scan_below: int = 2000
    clusters: int = 1

    @property
    def limits(self) -> Limits:
        return Limits(self.max_pixels, self.max_bytes)

    @property
    def cores(self) -> int:
        usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return self.threads or usable or 1

    @property
    def index_build(self) -> Json:
        """What a stored index must have been built with; with other settings it is built anew."""
        if self.index not in GRAPHS:
            return {}
        build = {"M": self.m, "ef_construction": self.ef_construction}
        return build if self.index == "hnsw" else {**build, "precision": self.precision}

    @property
    def index_settings(self) -> Json:
        """What the index member takes."""
        return {**self.index_build, "ef": self.ef, "threads": self.threads} if self.index in GRAPHS else {}


KEYS = {one.name: one for one in dataclasses.fields(Config)}


def load(folder: Path, given: Mapping[str, Any]) -> Config:
    """The settings in force for the collection in that folder. Raises BadSetting."""
    values = _file(folder / FILE) | _environment(os.environ) | dict(given)
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise BadSetting(f"there is no setting {unknown[0]!r}; there are: {', '.join(KEYS)}")
    return Config(**{key: _value(key, value) for key, value in values.items()})


def _file(path: Path) -> Json:
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadSetting(f"the settings file {path} can't be read: {error}") from error
    for key in sorted(set(values) - set(KEYS)):
        raise BadSetting(f"the settings file {path} has the unknown key {key!r}; there are: {', '.join(KEYS)}")
    return values


def _environment(environment: Mapping[str, str]) -> Json:
    found = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
    for name in sorted(set(found) - {key.upper() for key in KEYS} - ELSEWHERE):
        raise BadSetting(f"the environment has {PREFIX}{name}, which is no setting; there are: {_variables()}")
    return {name.lower(): value for name, value in found.items() if name not in ELSEWHERE}


def _variables() -> str:
    return ", ".join(PREFIX + name for name in sorted({key.upper() for key in KEYS} | ELSEWHERE))


def _value(key: str, value: Any) -> Any:
    wanted: type[Any] = type(KEYS[key].default)
    try:
        if isinstance(value, bool) or (wanted is str and not isinstance(value, str)):
            raise ValueError
        converted = wanted(value)
    except (TypeError, ValueError, OverflowError):
        raise BadSetting(f"the setting {key!r} takes {_described(wanted)}; got {value!r}") from None
    if wanted is int and isinstance(value, float) and value != converted:
        raise BadSetting(f"the setting {key!r} takes a whole number; got {value!r}")
    if wanted is not str and not 0 <= converted < float("inf"):
        raise BadSetting(f"the setting {key!r} can't be negative or endless; got {value!r}")
    return converted


def _described(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text"}[kind]
