"""Collections that somebody else has made to do harm, by the kind of harm, and their use by whoever opens them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from indexers.errors import NearkinError
from retrieval import Collection

ROWS = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
SECRET = "the secret of whoever opens it"


def make_original(root: Path) -> Path:
    """Make a collection with everything that can be derived, by the key of another user; return its folder."""
    before = os.environ.get("NEARKIN_KEY_FOLDER")
    os.environ["NEARKIN_KEY_FOLDER"] = str(root / "key")
    try:
        with Collection.open(root / "c", create=True, scan_below=0) as collection:
            metadata = [{"n": row, "tags": ["a"]} for row in range(60)]
            collection.add_vectors(ROWS, keys=[f"k{row}" for row in range(60)], metadata=metadata)
            collection.make_clustering("mine", method="kmeans", k=3)
            collection.partitions()
            collection.catch_up()
    finally:
        if before is None:
            del os.environ["NEARKIN_KEY_FOLDER"]
        else:
            os.environ["NEARKIN_KEY_FOLDER"] = before
    return root / "c"


def run_sql(place: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(place / "catalogue.sqlite", isolation_level=None)
    connection.execute(statement, values)
    connection.close()


def replace_by_link(name: str) -> Callable[[Path, Path], object]:
    def replace(place: Path, outside: Path) -> None:
        path = place / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(outside if "." not in path.name or path.suffix == ".d" else outside / "secret.txt")

    return replace


def replace_by_pipe(name: str) -> Callable[[Path, Path], object]:
    def replace(place: Path, outside: Path) -> None:
        (place / name).unlink(missing_ok=True)
        os.mkfifo(place / name)

    return replace


def write_header(**fields: Any) -> Callable[[Path, Path], object]:
    """Forge the header of the index: fields as given, and a checksum that fits."""

    def write(place: Path, outside: Path) -> None:
        path = place / "spaces" / "1" / "index" / "header"
        text = json.dumps(json.loads(path.read_bytes().split(b"\n")[0]) | fields).encode()
        signatures = b"0123456789abcdef:" + b"0" * 64
        body = text + b"\n" + signatures
        path.write_bytes(body + b"\n" + xxhash.xxh3_128_hexdigest(body).encode() + b"\n")

    return write


def write_text(name: str, content: str | bytes) -> Callable[[Path, Path], object]:
    def write(place: Path, outside: Path) -> None:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def sql(statement: str, *values: Any) -> Callable[[Path, Path], object]:
    return lambda place, outside: run_sql(place, statement, *values)


ENDLESS = "WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) SELECT count(*) FROM r"


def hide_behind_view(place: Path, _: Path) -> None:
    """Let a table be a view, and each look at it take for ever."""
    run_sql(place, "ALTER TABLE setting RENAME TO kept")
    run_sql(place, f"CREATE VIEW setting AS SELECT key, ({ENDLESS}) AS value FROM kept")


def make_bomb(**arrays: Any) -> bytes:
    """Return an archive of few bytes that unpack to many."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("centres.npy", b"\0" * 200_000_000)
    return stream.getvalue()


def save_arrays(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


PARTITIONS = {
    "centres": np.zeros((3, 8), np.float32),
    "ids": np.arange(9_000_000, 9_000_001),
    "weight": np.ones(3),
    "resting": np.zeros(3),
    "numbers": np.array([4, 1, 1, 1, 60]),
}
HOSTILE: dict[str, Callable[[Path, Path], object]] = {
    **{
        f"{name} is a link": replace_by_link(name) for name in ("spaces", "spaces/1", "spaces/1/index", "spaces/1/tree")
    },
    **{
        f"{name} is a link": replace_by_link(name)
        for name in ("writer.lock", "writer.json", "nearkin.toml", "spaces/1/index/header.d", "jobs", "thumbnails")
    },
    "database is a link": replace_by_link("catalogue.sqlite"),
    "header is a pipe": replace_by_pipe("spaces/1/index/header"),
    "payload is a pipe": replace_by_pipe("spaces/1/index/payload-1"),
    "settings are a pipe": replace_by_pipe("nearkin.toml"),
    "settings are nested": write_text("nearkin.toml", "index = " + "[" * 5000 + "]" * 5000),
    "settings are large": write_text("nearkin.toml", "# " + "x" * 2**21),
    "settings name a module": write_text("nearkin.toml", 'index = "os:system"'),
    "settings are no text": write_text("nearkin.toml", b"\xff\xfe\0\0"),
    "settings ask for many threads": write_text("nearkin.toml", "threads = 1000000000"),
    "a suffix leads out": write_header(parts=[["/../../../../outside/secret.txt", 1, "0" * 32]]),
    "a generation leads out": write_header(generation="1/../../../../../outside/secret"),
    "a generation is huge": write_header(generation=2**63),
    "details are nested": write_text("spaces/1/index/header", b"[" * 50_000),
    "an embedder names a module": sql(
        "UPDATE space SET embedder = 'os:system', settings = '{\"command\": \"touch x\"}'"
    ),
    "an embedder has strange settings": sql("UPDATE space SET embedder = 'tiny', settings = '{\"__class__\": 1}'"),
    "a method names a module": sql("UPDATE grouping SET method = 'builtins:eval'"),
    "a method is another": sql("UPDATE grouping SET method = 'density'"),
    "a model is nothing": sql("UPDATE grouping SET model = ?", b"\xff" * 100),
    "a model claims much": sql("UPDATE grouping SET model = ?", (2**62).to_bytes(8, "little") + b"{}"),
    "labels are of nobody": sql("UPDATE grouping SET labels = '[99999999]'"),
    "a trigger deletes what is added": sql("CREATE TRIGGER evil AFTER INSERT ON vector BEGIN DELETE FROM vector; END"),
    "a trigger never ends": sql(f"CREATE TRIGGER evil AFTER INSERT ON change BEGIN SELECT ({ENDLESS}); END"),
    "a table is a view that never ends": hide_behind_view,
    "no reader agrees which space is current": sql(f"UPDATE space SET current = {2**63 - 1}"),
    "a dimension is huge": sql("UPDATE space SET dimension = 1000000000000"),
    "a dimension is negative": sql("UPDATE space SET dimension = -8"),
    "a metric is code": sql("UPDATE space SET metric = '__import__(1)'"),
    "partitions are a bomb": sql("UPDATE partitioning SET state = ?", make_bomb()),
    "partitions do not fit": sql("UPDATE partitioning SET state = ?", save_arrays(**PARTITIONS)),
    "partitions are pickled": sql(
        "UPDATE partitioning SET state = ?", save_arrays(centres=np.array([{"a": 1}], dtype=object))
    ),
    "partitions are nothing": sql("UPDATE partitioning SET state = ?", b"PK\x05\x06"),
    "vectors are short": sql("UPDATE vector SET data = ? WHERE item = 3", b"abc"),
    "vectors are not finite": sql("UPDATE vector SET data = ? WHERE item = 3", np.full(8, np.nan, "<f4").tobytes()),
    "followers are far ahead": sql(
        "UPDATE follower SET generation = 9223372036854775807, position = 9223372036854775807"
    ),
    "clusters are of nobody": sql("UPDATE member SET coarse = -5, medium = 9223372036854775807"),
    "the identity is a path": sql("UPDATE setting SET value = '\"../../../outside\"' WHERE key = 'identity'"),
}


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def use(place: Path) -> str:
    """Call everything that reads what was derived, and write something; return what the errors say."""
    try:
        collection = Collection.open(place)
    except NearkinError as error:
        return str(error)
    told = ""
    with suppress(NearkinError), collection:
        calls: list[Callable[[], object]] = [
            lambda: collection.search(vector=ROWS[0], k=5),
            lambda: collection.clusters("fine"),
            lambda: collection.clusters("mine"),
            collection.partitions,
            lambda: collection.cut(threshold=0.5),
            collection.verify,
            collection.info,
            lambda: collection.add_vectors(ROWS[:3] + 1),
            collection.catch_up,
            lambda: collection.search(vector=ROWS[0], k=5, within="mine"),
            lambda: collection.verify(repair=True),
        ]
        for call in calls:
            try:
                call()
            except NearkinError as error:
                told += str(error)
    return told


def make_trial(original: Path, root: Path) -> tuple[Path, Path]:
    """Copy the collection below a folder, beside another one with secrets; return the places of both."""
    place, outside = root / "c", root / "outside"
    shutil.copytree(original, place)
    outside.mkdir()
    for name in ("secret.txt", "payload-1", "header"):
        (outside / name).write_text(SECRET)
    return place, outside
