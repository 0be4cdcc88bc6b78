"""The world that faults are tried on: vectors and pictures that follow from a name and a version, and what is known.

A name is an item's key (or the file name of a picture that was added by folder). Its vector, or its picture, follows
from the name and a version, so that any process can tell what an item has to hold.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

DIMENSION = 13  # of Tiny, so that ready-made vectors and pictures share all code
SETTINGS: dict[str, Any] = {"scan_below": 0, "save_changes": 40, "batch": 4, "threads": 2, "ef": 200}
"""HNSW itself answers, and index files are written all the time."""

UPKEEP = {
    "vector": ("recluster", "clustering", "rename", "correct"),
    "picture": ("recluster", "clustering", "rename", "correct", "decide"),
    "file": ("recluster", "clustering", "rename", "correct", "decide", "fill", "fill"),
}
"""What changes neither items nor vectors, by kind."""

State = dict[str, int]
Op = dict[str, Any]


def colours(name: str, version: int) -> np.ndarray:
    """Return the colours of the four quarters, uint8 (2, 2, 3)."""
    digest = hashlib.blake2b(f"{name} {version}".encode(), digest_size=12).digest()
    return np.frombuffer(digest, np.uint8).reshape(2, 2, 3)


def vector(name: str, version: int) -> np.ndarray:
    """Return Tiny's vector of the picture, float32 (13,); ready-made vectors are the same."""
    return np.append(colours(name, version).ravel().astype(np.float32) / 255, np.float32(1))


def picture(name: str, version: int) -> bytes:
    """Return a PNG of 4 x 4 pixels."""
    stream = io.BytesIO()
    Image.fromarray(colours(name, version).repeat(2, axis=0).repeat(2, axis=1)).save(stream, "PNG")
    return stream.getvalue()


def table(state: State) -> tuple[list[str], np.ndarray]:
    """Names, and their vectors at length 1, float32 (n, 13)."""
    names = sorted(state)
    rows = np.stack([vector(name, state[name]) for name in names]) if names else np.empty((0, DIMENSION), np.float32)
    return names, rows / np.linalg.norm(rows, axis=1, keepdims=True) if names else rows


def queries(count: int, seed: int = 0) -> np.ndarray:
    """Vectors that are no item's, float32 (count, 13)."""
    values = np.random.default_rng(seed).random((count, DIMENSION), dtype=np.float32)
    values[:, -1] = 1
    return values


@dataclass
class Ledger:
    """What a child was told to do and has acknowledged, and so what may be found after it was killed."""

    state: State = field(default_factory=dict)
    change: int = 0
    pending: list[Op] = field(default_factory=list)
    """Told, not acknowledged."""

    @property
    def after(self) -> State:
        """Return the state that the operation in flight leaves if it was carried out."""
        return apply_op(self.state, self.pending[0]) if self.pending else self.state

    def again(self) -> list[Op]:
        """Return the operation in flight for its repetition, without the removal of items that are gone."""
        if not self.pending:
            return []
        op = self.pending[0]
        if op["op"] not in ("add", "files", "import", "save"):
            op = op | {"names": [name for name in op["names"] if name in self.state]}
        return [] if op.get("names") == [] else [op]

    def acknowledge(self, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            self.state = apply_op(self.state, self.pending.pop(0))
            assert line["change"] >= self.change, f"change numbers went back: {self.change}, {line}"
            self.change = line["change"]


def apply_op(state: State, op: Op) -> State:
    """Return the state after an operation."""
    match op["op"]:
        case "remove":
            return {name: version for name, version in state.items() if name not in set(op["names"])}
        case "add" | "files" | "import":
            return state | dict.fromkeys(op["names"], op["version"])
        case _:
            return state


def is_one_transaction(op: str, kind: str) -> bool:
    """Return True if what an operation does to items and vectors is there whole or not at all."""
    return op not in ("add", "files", "import") or (op == "add" and kind == "vector")


class Planner:
    """Makes up what a child shall do: mostly adding, some of it replacing; removing, saving, clustering, deciding."""

    def __init__(self, seed: int, kind: str, limit: int = 160) -> None:
        self.random, self.kind, self.most = random.Random(seed), kind, limit
        self.version = 0

    def ops(self, state: State, count: int) -> list[Op]:
        planned: list[Op] = []
        for _ in range(count):
            op = self._op(state)
            state = apply_op(state, op)
            planned.append(op)
        return planned

    def _op(self, state: State) -> Op:
        self.version += 1
        choice = self.random.random()
        if choice < 0.2 and state:
            return {"op": "save"}
        if choice < 0.35 and len(state) > 2:
            return {"op": self.random.choice(UPKEEP[self.kind]), "names": self.random.sample(sorted(state), 2)}
        if state and (choice < 0.5 or len(state) > self.most):
            size = self.random.randint(1, len(state) // 2 + 1)
            return {"op": "remove", "names": self.random.sample(sorted(state), size)}
        names = [f"{self.kind}-{self.random.randrange(3 * self.most)}" for _ in range(self.random.randint(1, 24))]
        names = list(dict.fromkeys(names))
        ways = {"file": ["files"], "picture": ["add"], "vector": ["add", "add", "import"]}
        op = self.random.choice(ways[self.kind])
        if op == "import":  # it brings no metadata, so that an older version's would stay
            names = [name for name in names if name not in state] or [f"{self.kind}-new-{self.version}"]
        return {"op": op, "names": names, "version": self.version}


class Log:
    """Lines that survive a kill: appended with O_SYNC, read by another process."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_SYNC)

    def line(self, **values: Any) -> None:
        os.write(self._handle, json.dumps(values).encode() + b"\n")

    @staticmethod
    def read(path: Path) -> list[dict[str, Any]]:
        """Whole lines only: one that a kill has cut was not acknowledged."""
        try:
            whole = path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in whole]
