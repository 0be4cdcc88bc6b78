"""What children do: work that gets killed, and looking at what is left. Each job takes and returns plain JSON."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hnswlib
import numpy as np

from indexers.catalogue.transaction import REPLACED
from indexers.embedders.tiny import Tiny
from indexers.errors import NearkinError, WriterBusy
from retrieval import Collection
from tests.bench.faults_points import Points
from tests.bench.faults_world import SETTINGS, Log, Op, State, queries, table, vector
from tests.bench.faults_world import picture as drawn


class Twin(Tiny):
    """An embedder of another name with the same vectors, so that answers stay as they are in either space."""

    name = "twin"


def open_collection(folder: str, kind: str, **settings: Any) -> Collection:
    embedder = None if kind == "vector" else Tiny()
    return Collection.open(folder, create=True, embedder=embedder, **{**SETTINGS, **settings})


class Worker:
    """Carries out operations on one collection."""

    def __init__(self, folder: str, kind: str, **settings: Any) -> None:
        self.open: Callable[[], Collection] = lambda: open_collection(folder, kind, **settings)
        self.kind, self.pictures = kind, Path(folder).with_name(Path(folder).name + "-pictures")
        self.collection = self.open()

    def perform(self, op: Op) -> int:
        """Carry out an operation, and return the change number after it."""
        match op["op"]:
            case "add":
                return self._add(op["names"], op["version"])
            case "files":
                return self.collection.add(self._files(op["names"], op["version"])).change
            case "remove":
                self.collection.remove([self._path(name) if self.kind == "file" else name for name in op["names"]])
            case "import":
                self._import(op["names"], op["version"])
            case "save":
                self.collection.close()
                self.collection = self.open()
            case _:
                self._keep_up(op["op"], op["names"])
        return self.collection.info().change

    def _import(self, names: list[str], version: int) -> None:
        table = self.pictures.with_suffix(".npz")
        rows = np.stack([vector(name, version) for name in names])
        np.savez(table, vectors=rows, keys=np.array(names))
        self.collection.import_from(table)

    def _keep_up(self, op: str, names: list[str]) -> None:
        """Cluster, name, decide, or fill another space and go back to the first."""
        match op:
            case "recluster":
                self.collection.recluster()
            case "clustering":
                self.collection.make_clustering("kinds", k=2)
            case "rename":
                for cluster in self.collection.clusters("fine")[:1]:
                    self.collection.rename(cluster.id, "named")
            case "decide" | "correct" if len(names) == 2:
                a, b = [self._path(name) if self.kind == "file" else name for name in names]
                say = self.collection.keep_both if op == "decide" else self.collection.keep_apart
                say(a, b)
            case "fill":
                for embedder in (Twin(), Tiny()):
                    self.collection.fill(embedder)
                    self.collection.use(embedder.name)
                self.collection.drop_space(Twin.name)

    def _add(self, names: list[str], version: int) -> int:
        metadata = [{"version": version}] * len(names)
        if self.kind == "vector":
            rows = np.stack([vector(name, version) for name in names])
            return self.collection.add_vectors(rows, keys=names, metadata=metadata).change
        return self.collection.add([drawn(name, version) for name in names], keys=names, metadata=metadata).change

    def _files(self, names: list[str], version: int) -> list[str]:
        self.pictures.mkdir(exist_ok=True)
        for name in names:
            Path(self._path(name)).write_bytes(drawn(name, version))
        return [self._path(name) for name in names]

    def _path(self, name: str) -> str:
        return str(self.pictures / f"{name}.png")


def work(
    folder: str, kind: str, ops: list[Op], log: str, point: str | None = None, hit: int = 1, armed: bool = False
) -> dict[str, int]:
    """Carry out operations and acknowledge each. How often each named point was passed."""
    points = Points(point, hit)
    if point or armed:
        points.arm()
    worker, acknowledged = Worker(folder, kind), Log(Path(log))
    for place, op in enumerate(ops):
        acknowledged.line(done=place, change=worker.perform(op))
    worker.collection.close()
    return dict(points.counts)


class Inspection:
    """Opens a collection as anybody would, and compares it with what may be there.

    `before`: all that was acknowledged; `after`: the same with the operation that was in flight carried out. `whole`:
    that operation is one transaction, so that the state is one of the two and nothing between.
    """

    def __init__(self, folder: str, kind: str, before: State, after: State, whole: bool) -> None:
        self.collection = open_collection(folder, kind)
        self.before, self.after, self.whole = before, after, whole
        self.problems: list[str] = []
        self.state: State = {}
        self.ids: dict[str, int] = {}

    def look(self) -> dict[str, Any]:
        self.check_replaced()
        self.contents()
        self.answers()
        self.collection.catch_up()  # what only clusters need is looked at when it is needed
        report, info = self.collection.verify(), self.collection.info()
        self.problems += report.problems
        return {
            "state": self.state,
            "problems": self.problems,
            "repairs": list(info.repairs),
            "change": info.change,
        }

    def check_replaced(self) -> None:
        """Check that items to be replaced are as they were before, and replace them by an empty run.

        Items whose files a killed run found changed stay until the next run has seen all files, which may have swapped
        names.
        """
        with self.collection._catalogue.snapshot() as snapshot:
            old = [item_id for item_id, *_ in snapshot.setting(REPLACED) or []]
            if not old:
                return
            item_ids = snapshot.resolve(old)
            ids, rows = snapshot.vectors(1, item_ids)
        known = [vector(name, version) for name, version in self.before.items()]
        if any(not any(np.array_equal(row, version) for version in known) for row in rows) or len(ids) != len(set(old)):
            self.problems.append("an item that is to be replaced is not what it was before")
        self.collection.add([])

    def contents(self) -> None:
        """Check that nothing is invented or lost, and that each item's vector and metadata are of one version."""
        with self.collection._catalogue.snapshot() as snapshot:
            items = snapshot.items(snapshot.ids().tolist())
            space = next(iter(snapshot.spaces()), None)
            ids, rows = snapshot.vectors(space.id, snapshot.ids()) if space else (np.empty(0, np.int64), np.empty(0))
        vectors = dict(zip(ids.tolist(), rows, strict=True))
        for item in items:
            name = Path(item.uris[0]).stem if item.uris else item.key
            self.item(name, vectors.get(item.id), item.metadata)
            self.ids[name] = item.id
        if len(items) != self.collection.count() or len(vectors) != len(items) or len(self.ids) != len(items):
            self.problems.append(f"{len(items)} items, {len(vectors)} vectors, {len(self.ids)} names")
        self.check_lost()

    def item(self, name: str, stored: np.ndarray | None, metadata: dict[str, Any]) -> None:
        versions = {states[name] for states in (self.before, self.after) if name in states}
        right = [
            version for version in versions if stored is not None and np.array_equal(stored, vector(name, version))
        ]
        if not right:
            self.problems.append(f"{name}: {'no vector' if stored is None else 'a phantom, or the vector of another'}")
        elif metadata.get("version", right[0]) != right[0]:
            self.problems.append(f"{name}: the vector of version {right[0]} beside the metadata {metadata}")
        else:
            self.state[name] = right[0]

    def check_lost(self) -> None:
        gone = [name for name in self.before if name in self.after and name not in self.state]
        if gone:
            self.problems.append(f"{len(gone)} acknowledged items are lost, {gone[0]} among them")
        if self.whole and self.state not in (self.before, self.after):
            self.problems.append("half a transaction is there")

    def answers(self) -> None:
        """Check that each item is found by its vector as given, and that graph and scan answer as brute force does.

        Given in other digits, one in some thousand is not: no link of the graph leads to it.
        """
        names, rows = table(self.state)
        if not names or self.problems:
            return
        ids = np.array([self.ids[name] for name in names])
        given = np.stack([vector(name, self.state[name]) for name in names])
        nearest = self.collection.search_many(given, k=1).ids[:, 0]
        if (nearest != ids).any():
            self.problems.append(f"{(nearest != ids).sum()} of {len(ids)} items are not found by their own vectors")
        vectors_asked = queries(8)
        scores = vectors_asked / np.linalg.norm(vectors_asked, axis=1, keepdims=True) @ rows.T
        self.graph(vectors_asked, scores, ids)
        self.scan(vectors_asked[0], scores[0], ids)

    def graph(self, vectors_asked: np.ndarray, scores: np.ndarray, ids: np.ndarray) -> None:
        size = min(10, len(ids))
        best = -np.sort(-scores, axis=1)[:, :size]
        answer = self.collection.search_many(vectors_asked, k=size)
        recall = float((answer.scores >= best[:, -1:] - 1e-5).mean())
        if recall < 0.96 or not np.isin(answer.ids, ids).all():
            self.problems.append(f"the graph's answers differ from brute force: recall {recall:.3f}")

    def scan(self, vector_asked: np.ndarray, scores: np.ndarray, ids: np.ndarray) -> None:
        least = float(np.median(scores)) + 1e-4
        sure = {int(item_id) for item_id, score in zip(ids, scores, strict=True) if score > least + 1e-5}
        possible = {int(item_id) for item_id, score in zip(ids, scores, strict=True) if score > least - 1e-5}
        answer = {hit.item for hit in self.collection.search(vector=vector_asked, radius=least)}
        if not sure <= answer <= possible:
            self.problems.append(f"the scan's answer differs from brute force: {len(answer)} for {len(sure)}")


def look(folder: str, kind: str, before: State, after: State, whole: bool, close: bool = True) -> dict[str, Any]:
    """Open a collection, compare it, and close it (or drop it, as a process that ends without closing does)."""
    inspection = Inspection(folder, kind, before, after, whole)
    report = inspection.look()
    if close:
        inspection.collection.close()
    return report


def look_at_damaged(cases: list[dict[str, Any]], kind: str, state: State, log: str) -> None:
    """Open each damaged collection twice: the first time must notice, the second finds all in order again.

    A line is written before each, so that a crash can be traced to its case.
    """
    written = Log(Path(log))
    native: list[str] = []
    load = hnswlib.Index.load_index

    def load_and_note(index: Any, path: Any, *arguments: Any, **named: Any) -> Any:
        native.append(os.fsdecode(path))
        return load(index, path, *arguments, **named)

    hnswlib.Index.load_index = load_and_note
    for case in cases:
        written.line(begun=case["name"])
        native.clear()
        first = look(case["folder"], kind, state, state, True)
        first["native"] = list(native)
        second = look(case["folder"], kind, state, state, True)
        written.line(name=case["name"], first=first, second=second)


def fill(folder: str, kind: str, ops: list[Op], log: str, limit: int | None = None) -> dict[str, Any]:
    """Work until the disk is full, and return the kind of error. `limit`: the largest size of a file in bytes."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    acknowledged = Log(Path(log))  # itself far below any limit tried
    try:
        worker = Worker(folder, kind, save_changes=200)
        for place, op in enumerate(ops):
            acknowledged.line(done=place, change=worker.perform(op))
        worker.collection.close()
    except NearkinError as error:
        return {"error": type(error).__name__, "ours": True, "message": str(error)}
    except Exception as error:
        return {"error": type(error).__name__, "ours": False, "message": str(error)}
    return {"error": None, "ours": True, "message": ""}


def write_beside(folder: str, kind: str, ops: list[Op], log: str, wait: float) -> dict[str, Any]:
    """Carry out operations beside another writer; try again if the wait for it was too long."""
    done, busy = Log(Path(log)), []

    def patiently(step: Callable[..., Any], *arguments: Any) -> Any:
        while True:
            try:
                return step(*arguments)
            except WriterBusy as error:
                busy.append(str(error))

    worker: Worker = patiently(lambda: Worker(folder, kind, wait=wait))
    for op in ops:
        done.line(change=patiently(worker.perform, op), op=op)
    worker.collection.close()
    return {"busy": busy, "pid": os.getpid()}


def hold(folder: str, kind: str, held: str, release: str) -> int:
    """Hold the writer's lock: write to the pipe `held`, then wait for a message in the pipe `release`."""
    collection = open_collection(folder, kind)
    with collection._catalogue.transaction():
        Path(held).write_text("held")
        Path(release).read_text()
    collection.close()
    return os.getpid()


def try_to_write(folder: str, kind: str, op: Op) -> str:
    """Try to write while another process does, without patience, and return the message."""
    worker = Worker(folder, kind, wait=0.05)
    try:
        worker.perform(op)
    except WriterBusy as error:
        return str(error)
    return ""


def read_along(folder: str, kind: str, log: str, seed: int, last: str, limit: int) -> dict[str, Any]:
    """Search all the time while another process writes, until the item `last` exists; log every answer.

    Now and then the collection is opened again, so that opening meets files that are being replaced.
    """
    written, random = Log(Path(log)), np.random.default_rng(seed)
    reader, repairs, count, as_of = Reader(folder, kind), [], 0, 0
    while not reader.collection.count(where={"key": last}):
        count += 1
        if count % 10 == 0:
            repairs += reader.collection.info().repairs
            reader.collection.close()
            reader = Reader(folder, kind)
        number, answer = reader.ask(int(random.integers(1000)))
        assert number >= as_of, f"time ran backwards: {as_of}, {number}"
        as_of = number
        if count <= limit:
            written.line(**answer)
    repairs += reader.collection.info().repairs
    reader.collection.close()
    return {"asked": count, "repairs": repairs}


class Reader:
    """Searches of a collection that changes."""

    def __init__(self, folder: str, kind: str) -> None:
        self.collection = open_collection(folder, kind)

    def ask(self, seed: int) -> tuple[int, dict[str, Any]]:
        """Search, check the answer as far as possible alone, and return what a comparison with brute force needs."""
        query = queries(1, seed)[0]
        hits = self.collection.search(vector=query, k=10)
        for hit in hits:  # metadata and vector are of the same moment
            if "version" not in hit.metadata:  # imported, without metadata
                continue
            right = vector(hit.key, hit.metadata["version"])
            score = float(right @ query / np.linalg.norm(right) / np.linalg.norm(query))
            assert abs(hit.score - score) < 1e-5, f"{hit} has not the vector of its metadata ({score})"
        with self.collection._catalogue.snapshot() as snapshot:
            space = next(iter(snapshot.spaces()), None)
            bare = (
                set(snapshot.ids().tolist()) - {change.item_id for change in snapshot.changes(0, space.id)}
                if space
                else {}
            )
        assert not bare, f"items without a vector: {sorted(bare)}"
        return hits.as_of, {"as_of": hits.as_of, "seed": seed, "names": [hit.key for hit in hits]}
