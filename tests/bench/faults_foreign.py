"""Collections that somebody else has made to do harm, many of them: opened and used, each in a process of its own.

The kinds are those of `tests/support/foreign.py`, and cells of the database that hold what no cell should.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from indexers.catalogue.rescue import rescue_catalogue
from indexers.errors import NearkinError
from tests.bench.faults_process import Nursery
from tests.support.foreign import HOSTILE, SECRET, make_original, make_trial, read_all, use

SECONDS = 60.0
"""After which opening and using one is given up."""
VALUES: tuple[Any, ...] = (
    *(None, -1, 0, 2**63 - 1, -(2**63), 1e308, float("inf"), 0.5),
    *("", "\0", "x" * 100_000, "/etc/passwd", "../../outside/secret.txt", "file:///etc/passwd", "os:system"),
    *(
        "[]",
        "{}",
        "null",
        "[[[[1]]]]",
        "[" * 20_000,
        '{"a": 1e999}',
        '{"__class__": "os"}',
        "\ud800".encode("utf-8", "replace"),
    ),
    *(b"", b"\0" * 32, b"\xff" * 33, b"\x80\x04\x95", np.full(8, np.inf, "<f4").tobytes()),
)


@dataclass
class Foreign:
    """What came of them."""

    tried: int = 0
    problems: list[str] = field(default_factory=list)


def use_foreign(place: str) -> str:
    """Use a collection as anybody would; return what its errors say."""
    return use(Path(place))


def rescue_foreign(place: str) -> str:
    """Rescue a collection, and use it again; return what the errors say."""
    try:
        rescue_catalogue(Path(place))
    except NearkinError as error:
        return str(error)
    return use(Path(place))


def change_cells(place: Path, draw: random.Random) -> str:
    """Put values into cells of the database that no program has written there, or delete rows; return what was done."""
    done = []
    with sqlite3.connect(place / "catalogue.sqlite", isolation_level=None) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'")]
        for _ in range(draw.choice((1, 1, 2, 5))):
            table = draw.choice([name for name in tables if connection.execute(f"SELECT 1 FROM {name}").fetchone()])
            column = draw.choice([row[1] for row in connection.execute(f"PRAGMA table_info({table})")])
            value = draw.choice(VALUES)
            some = draw.choice(("", " WHERE rowid % 7 = 3", " WHERE rowid = 1"))
            try:
                if draw.random() < 0.1:
                    connection.execute(f"DELETE FROM {table}{some}")
                    done.append(f"{table} deleted{some}")
                else:
                    connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ?{some}", (value,))
                    done.append(f"{table}.{column} = {value!r:.40}{some}")
            except sqlite3.Error:  # a table without row numbers, or a trigger
                continue
    connection.close()
    return "; ".join(done)


def run(count: int, folder: Path, report: Callable[[str], object] = print, seed: int = 0) -> Foreign:
    """Try so many collections: each named kind, then cells at random."""
    outcome, original, draw = Foreign(), make_original(folder), random.Random(seed)
    kinds = list(HOSTILE)
    with Nursery(folder / "out") as nursery:
        for number in range(count):
            root = folder / f"trial-{number}"
            root.mkdir()
            place, outside = make_trial(original, root)
            if number < len(kinds):
                what = kinds[number]
                HOSTILE[what](place, outside)
            else:
                what = change_cells(place, draw)
            before = read_all(outside)
            ended = nursery.run("use_foreign", kill_after=SECONDS, place=str(place))
            outcome.tried += 1
            if ended.status:
                outcome.problems.append(f"{what}: ended with {ended.status}: {ended.output[-1500:]}")
            elif SECRET in ended.value_returned:
                outcome.problems.append(f"{what}: a secret was told")
            elif "nearkin rescue" in ended.value_returned:
                ended = nursery.run("rescue_foreign", kill_after=SECONDS, place=str(place))
                if ended.status or "is damaged" in ended.value_returned:
                    outcome.problems.append(f"{what}: rescued: {ended.status} {ended.value_returned} {ended.output}")
            if read_all(outside) != before or {path.name for path in root.iterdir()} != {"c", "outside"}:
                outcome.problems.append(f"{what}: something was written beyond the folder")
            shutil.rmtree(root)
            if number % 100 == 99:
                report(f"{number + 1} foreign collections, {len(outcome.problems)} problems")
    return outcome
