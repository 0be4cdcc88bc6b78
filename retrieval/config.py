"""Settings: arguments go over the environment, that over the collection's file, that over the defaults.

An unknown key is an error.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from indexers import plugins
from indexers.catalogue.addresses import EXAMPLE, Address, parse_address
from indexers.devices import count_cores
from indexers.errors import BadSetting, UsageError
from indexers.files import read_regular_file
from indexers.types import Json, Limits

FILE = "nearkin.toml"
MAX_FILE_BYTES = 2**20
PREFIX = "NEARKIN_"
GRAPHS = frozenset({"hnsw", "usearch", "faiss", "pgvector"})
STAGED = frozenset({"rabitq", "auto"})
CATALOGUE_URL, FOLDER = "CATALOGUE_URL", "FOLDER"
READ_BY_DOORS = {"COLLECTION", "READ_TOKEN", "WRITE_TOKEN", "MCP_TOKEN", "KEY_FOLDER", CATALOGUE_URL, FOLDER}
"""Variables with our prefix that are no settings of a collection: where it is, those of the command line, and where
this user's key is."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a collection.

    `index`: the plug-in that searches vectors; "auto" takes the best for the size of the collection as it grows.
    `index_url`: the address of the server of a remote index (`pgvector`), if not that of the catalogue.
    `metric`: the metric of ready-made vectors; an embedder brings its own.
    `m`, `ef_construction`, `ef`: the parameters of HNSW (Malkov and Yashunin, 2018).
    `precision`: the precision of vectors in the indices `usearch` and `faiss`: bf16, or i8 (for the cosine).
    `bits`: of each coordinate in the codes of the index `rabitq`, 1 to 8.
    `device`: where embedders compute, such as "cpu" or "cuda".
    `threads`: 0 is one for each core.
    `batch`: pictures that are embedded at a time; 0 leaves it to the embedder.
    `max_pixels`, `max_bytes`: larger pictures are refused before they are decoded.
    `isolated`: 1 decodes pictures in separate processes, each picture in at most `seconds`; for untrusted pictures.
    `web`: 1 allows fetching pictures from web addresses that are not internal.
    `wait`: seconds that a writer waits for another writer.
    `save_changes`, `save_seconds`: a derived file is saved after so many changes or seconds.
    `scan_below`: collections up to this size are scanned, which is as fast and exact.
    `clusters`: 0 keeps no clusters, for collections that are only searched.
    `path_weight`: how much a word in the path of a file weighs when words are searched, beside 1 for one in a text or
        in metadata; 0 does not search paths.
    `seen_weight`: how much a word in a picture weighs then (`read`); 0 does not search pictures.
    `read`: 1 reads the text in pictures as they are added.
    `trash_days`: removed items can be restored for so many days; 0 deletes them at once.
    """

    index: str = "hnsw"
    index_url: str = ""
    metric: str = "cosine"
    m: int = 16
    ef_construction: int = 200
    ef: int = 128
    precision: str = "bf16"
    bits: int = 1
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
    path_weight: float = 0.5
    seen_weight: float = 0.5
    read: int = 0
    trash_days: float = 30.0

    @property
    def limits(self) -> Limits:
        """The largest pictures that are decoded."""
        return Limits(self.max_pixels, self.max_bytes)

    @property
    def cores(self) -> int:
        """The number of threads to use: `threads`, or one for each core that this process may use."""
        return self.threads or count_cores()

    @property
    def serving_index(self) -> str:
        """The plug-in that serves as `index`: without their packages, `usearch` serves as `hnsw` and `rabitq`."""
        return plugins.find_serving_name("nearkin.vectors", self.index)

    @property
    def index_build(self) -> Json:
        """The settings that a stored index depends on; it is rebuilt when they differ."""
        serving = self.serving_index
        if serving == "rabitq":
            return {"bits": self.bits}
        build = {"M": self.m, "ef_construction": self.ef_construction}
        if serving == "auto":
            return {**build, "bits": self.bits}
        if serving not in GRAPHS:
            return {}
        if serving == "hnsw":
            return build
        return {**build, "precision": self.precision if serving == self.index else "bf16"}

    @property
    def index_settings(self) -> Json:
        """The parameters of the index plug-in."""
        takes_settings = self.index in GRAPHS | STAGED
        return {**self.index_build, "ef": self.ef, "threads": self.threads} if takes_settings else {}


TAKEN_FROM_STRANGERS = frozenset(
    {"index", "metric", "precision", "bits", "clusters", "isolated", "wait", "path_weight", "seen_weight"}
)
"""What the file of somebody else's collection may set: nothing that reaches further, or takes more, than the defaults.
"""
KEYS = {field.name: field for field in dataclasses.fields(Config)}


def choose_address(path: str | os.PathLike[str], catalogue_url: str | None = None) -> Address:
    """Return where the collection is that is opened by `path`: the environment may name a database, or the folder of
    what follows it. Raises UsageError."""
    address, url = parse_address(path), catalogue_url or os.environ.get(PREFIX + CATALOGUE_URL)
    if not isinstance(address, Path):
        folder = os.environ.get(PREFIX + FOLDER)
        return replace(address, folder=Path(folder).expanduser().resolve()) if folder else address
    if not url:
        return address
    database = parse_address(url)
    if isinstance(database, Path):
        raise UsageError(f"the catalogue's address is one of a database, such as {EXAMPLE}; got {url!r}")
    return replace(database, folder=address)


def load(folder: Path | None, arguments: Mapping[str, Any], *, is_own: bool = True) -> Config:
    """Return the settings in force for the collection in `folder`, or in none that is known. Raises BadSetting.

    is_own: False takes from its file only `TAKEN_FROM_STRANGERS`.
    """
    stored = _read_file(folder / FILE) if folder else {}
    stored = {key: value for key, value in stored.items() if is_own or key in TAKEN_FROM_STRANGERS}
    values = stored | _read_environment(os.environ) | dict(arguments)
    unknown = sorted(set(values) - set(KEYS))
    if unknown:
        raise BadSetting(f"unknown setting {unknown[0]!r}; the settings are: {', '.join(KEYS)}")
    return Config(**{key: _convert(key, value) for key, value in values.items()})


def list_restricted(folder: Path) -> list[str]:
    """Return the settings in the collection's file that hold only for a collection of one's own. Raises BadSetting."""
    return sorted(set(_read_file(folder / FILE)) - TAKEN_FROM_STRANGERS)


def _read_file(path: Path) -> Json:
    try:
        values = tomllib.loads(read_regular_file(path, MAX_FILE_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise BadSetting(f"the settings file {path} can't be read: {error}") from error
    for key in sorted(set(values) - set(KEYS)):
        raise BadSetting(f"the settings file {path} has the unknown key {key!r}; the settings are: {', '.join(KEYS)}")
    return values


def _read_environment(environment: Mapping[str, str]) -> Json:
    variables = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
    for name in sorted(set(variables) - {key.upper() for key in KEYS} - READ_BY_DOORS):
        raise BadSetting(f"unknown environment variable {PREFIX}{name}; the variables are: {_list_variables()}")
    return {name.lower(): value for name, value in variables.items() if name not in READ_BY_DOORS}


def _list_variables() -> str:
    return ", ".join(PREFIX + name for name in sorted({key.upper() for key in KEYS} | READ_BY_DOORS))


def _convert(key: str, value: Any) -> Any:
    kind: type[Any] = type(KEYS[key].default)
    try:
        if isinstance(value, bool) or (kind is str and not isinstance(value, str)):
            raise ValueError
        converted = kind(value)
    except (TypeError, ValueError, OverflowError):
        raise BadSetting(f"the setting {key!r} takes {_describe(kind)}; got {value!r}") from None
    if kind is int and isinstance(value, float) and value != converted:
        raise BadSetting(f"the setting {key!r} takes a whole number; got {value!r}")
    if kind is not str and not 0 <= converted < float("inf"):
        raise BadSetting(f"the setting {key!r} takes a finite number of at least 0; got {value!r}")
    return converted


def _describe(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "a text"}[kind]
