"""The named points between two writes at which a process can be told to die.

Nothing in the library knows of them: in a child process, the functions that write are wrapped here.
"""

from __future__ import annotations

import functools
import os
import signal
from collections import Counter
from collections.abc import Callable
from typing import Any

import hnswlib
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from indexers import pipeline
from indexers.catalogue import catalogue, clusters, corrections, file_lock, transaction
from indexers.catalogue import sqlite as database
from indexers.catalogue.writer_lock import WriterLock
from indexers.followers import base, stored, tree
from indexers.followers import stored_file as storage
from indexers.vectors import exact, hnsw, rows
from indexers.vectors import identical as copies
from retrieval import collection
from retrieval.spaces import spaces

PLACES: tuple[tuple[Any, str], ...] = (
    (os, "replace"),
    (os, "fsync"),
    (os, "unlink"),
    (os, "mkdir"),
    (storage, "write"),
    (storage, "_describe_part"),
    (storage, "_publish"),
    (storage, "sync"),
    (storage, "_remove_old_generations"),
    (storage, "_remove"),
    (exact.Exact, "save"),
    (rows.Rows, "save"),
    (copies.IdenticalVectors, "save"),
    (hnsw.Hnsw, "save"),
    (hnswlib.Index, "save_index"),
    (hnswlib.Index, "add_items"),
    (hnswlib.Index, "mark_deleted"),
    (hnswlib.Index, "resize_index"),
    (corrections.CorrectionWriter, "add"),
    (transaction.Transaction, "put"),
    (transaction.Transaction, "_insert"),
    (transaction.Transaction, "_index"),
    (transaction.Transaction, "set_vectors"),
    (transaction.Transaction, "drop_vectors"),
    (transaction.Transaction, "_put_locations"),
    (transaction.Transaction, "remove"),
    (transaction.Transaction, "record_follower"),
    (transaction.Transaction, "prune"),
    (transaction.Transaction, "finish"),
    (catalogue, "create_tables"),
    (database, "connect"),
    (DefaultDialect, "do_commit"),
    (file_lock, "try_lock"),
    (file_lock, "unlock"),
    (WriterLock, "_sign"),
    (pipeline.Run, "_record"),
    (base.Followers, "open"),
    (base.Followers, "advance"),
    (base.Followers, "_save"),
    (base.Followers, "record"),
    (stored.VectorFollower, "apply"),
    (tree.TreeFollower, "apply"),
    (tree.TreeFollower, "record"),
    (tree.TreeFollower, "write"),
    (clusters.ClusterWriter, "add"),
    (clusters.ClusterWriter, "assign"),
    (clusters.ClusterWriter, "unassign"),
    (clusters.ClusterWriter, "add_events"),
    (clusters.ClusterWriter, "set_tree_levels"),
    (stored.VectorFollower, "save"),
    (stored.FlatFollower, "after_save"),
    (spaces.Spaces, "_create"),
    (spaces.Spaces, "settle"),
    (collection.Collection, "close"),
)


class Points:
    """A counter of how often each point is passed, which kills the process at one of them.

    `point` and `hit`: where to die, and at which passing (from 1). Without a point it only counts.
    """

    def __init__(self, point: str | None = None, hit: int = 1) -> None:
        self.point, self.hit = point, hit
        self.counts: Counter[str] = Counter()

    def pass_point(self, name: str) -> None:
        self.counts[name] += 1
        if name == self.point and self.counts[name] == self.hit:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        for owner, name in PLACES:
            where = getattr(owner, "__name__", "").rpartition(".")[2]
            setattr(owner, name, self._wrap(f"{where}.{name}", getattr(owner, name)))
        event.listen(Engine, "before_cursor_execute", functools.partial(self._statement, "before"))
        event.listen(Engine, "after_cursor_execute", functools.partial(self._statement, "after"))

    def _wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            self.pass_point(f"before {name}")
            result = function(*arguments, **named)
            self.pass_point(f"after {name}")
            return result

        return wrapper

    def _statement(self, when: str, _: Any, __: Any, statement: str, *___: Any) -> None:
        words = statement.replace("BEGIN IMMEDIATE", "BEGIN-IMMEDIATE x").split()
        if words[0] in ("INSERT", "DELETE", "UPDATE", "CREATE", "BEGIN-IMMEDIATE"):
            self.pass_point(
                f"{when} {words[0]} {words[1] if words[0] == 'UPDATE' else words[2] if len(words) > 2 else ''}"
            )
