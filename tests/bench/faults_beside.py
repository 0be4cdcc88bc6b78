"""Several processes at one collection: two writers, and four readers beside a writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.faults_process import Ended, Nursery
from tests.bench.faults_world import Log, Op, Planner, State, applied, queries, table

KEPT = 4000
"""Answers of each reader that are compared with brute force."""


@dataclass
class Beside:
    """What came of it. `done`: operations of writers; `answers`: of readers; `busy`: refusals that named the writer."""

    done: int = 0
    answers: int = 0
    compared: int = 0
    busy: int = 0
    problems: list[str] = field(default_factory=list)


class Rooms:
    """As many processes as jobs are to run at once."""

    def __init__(self, folder: Path, count: int) -> None:
        self._stack = ExitStack()
        self._nurseries = [self._stack.enter_context(Nursery(folder / f"room-{one}")) for one in range(count)]
        self._pool = self._stack.enter_context(ThreadPoolExecutor(count))

    def start(self, room: int, job: str, **arguments: Any) -> Future[Ended]:
        return self._pool.submit(self._nurseries[room].run, job, **arguments)

    def __enter__(self) -> Rooms:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


# ---- two writers


def writers(
    rounds: int, folder: Path, kind: str, wait: float = 30.0, report: Callable[[str], object] = print
) -> Beside:
    """Two processes write the same items at once, in a collection that neither has made before."""
    found = Beside()
    place = folder / f"both-{kind}-{wait}"
    with Rooms(folder / f"rooms-{kind}-{wait}", 2) as rooms:
        logs = [folder / f"{place.name}-log-{one}" for one in range(2)]
        jobs = [
            rooms.start(one, "write_beside", folder=str(place), kind=kind, ops=ops, log=str(log), wait=wait)
            for one, (ops, log) in enumerate(zip(_plans(rounds, kind), logs, strict=True))
        ]
        said = [job.result().value() for job in jobs]
        _judge_writers(found, said, [Log.read(log) for log in logs], rooms, place, kind)
    report(f"two writers ({kind}, wait {wait}): {found.done} operations, {found.busy} refused, {found.problems}")
    return found


def _plans(rounds: int, kind: str) -> list[list[Op]]:
    """Both write the same names, in their own order, each with versions of its own (files: with the same ones)."""
    groups = [[f"{kind}-{group}-{one}" for one in range(10)] for group in range(5)]
    op = "files" if kind == "file" else "add"
    first = [{"op": op, "names": groups[turn % 5], "version": 1 if op == "files" else turn} for turn in range(rounds)]
    second = [
        {"op": op, "names": groups[-turn % 5], "version": 1 if op == "files" else 1000 + turn} for turn in range(rounds)
    ]
    return [first, second]


def _judge_writers(
    found: Beside, said: list[Any], lines: list[list[dict[str, Any]]], rooms: Rooms, place: Path, kind: str
) -> None:
    found.done = sum(len(one) for one in lines)
    for one in said:
        found.busy += len(one["busy"])
        found.problems += [what for what in one["busy"] if "another writer is at work" not in what]
    for one in lines:
        numbers = [line["change"] for line in one]
        if kind == "vector" and numbers != sorted(set(numbers)):  # each of its operations changes something
            found.problems.append(f"a writer's change numbers do not grow: {numbers}")
    first, second = (_final(one) for one in lines)
    arguments = {"folder": str(place), "kind": kind, "before": first, "after": second, "whole": False}
    looked = rooms.start(0, "look", **arguments).result().value()
    found.problems += looked["problems"] + looked["repairs"]
    if kind == "vector":
        found.problems += _mixed(looked["state"])


def _final(lines: list[dict[str, Any]]) -> State:
    """What one writer wrote last to each item; what is there must be that of the one or of the other."""
    state: State = {}
    for line in lines:
        state = applied(state, line["op"])
    return state


def _mixed(state: State) -> list[str]:
    """A batch is one transaction: all items of a group are of the same one."""
    groups: dict[str, set[int]] = {}
    for name, version in state.items():
        groups.setdefault(name.rpartition("-")[0], set()).add(version)
    return [f"the batches {sorted(versions)} are mixed" for versions in groups.values() if len(versions) > 1]


def named(folder: Path, kind: str = "vector") -> tuple[str, int]:
    """What a writer without patience is told while another one holds the lock, and who that is."""
    place, pipes = folder / "held", [folder / "held-pipe", folder / "release-pipe"]
    for pipe in pipes:
        os.mkfifo(pipe)
    with Rooms(folder / "rooms-held", 2) as rooms:
        op = {"op": "add", "names": ["one"], "version": 1}
        arguments = {"folder": str(place), "kind": kind}
        rooms.start(0, "work", ops=[op], log=str(folder / "held-log"), **arguments).result().value()
        holder = rooms.start(0, "hold", held=str(pipes[0]), release=str(pipes[1]), **arguments)
        assert pipes[0].read_text() == "held"
        said = rooms.start(1, "refused", op=op | {"version": 2}, **arguments).result()
        pipes[1].write_text("enough")
        return str(said.value()), int(holder.result().value())


# ---- readers beside a writer


def readers(ops: int, folder: Path, count: int = 4, report: Callable[[str], object] = print) -> Beside:
    """Processes that ask all the time while another one writes; each answer is compared with brute force as of its
    change number."""
    found, place = Beside(), folder / "read"
    with Rooms(folder / "rooms-read", count + 1) as rooms:
        common = {"folder": str(place), "kind": "vector"}
        seed: Op = {"op": "add", "names": [f"vector-{one}" for one in range(60)], "version": 5000}
        plan = [*Planner(11, "vector").ops(applied({}, seed), ops), {"op": "add", "names": ["last"], "version": 1}]
        log = folder / "writer-log"
        write = {"log": str(log), "wait": 30.0, **common}
        rooms.start(0, "write_beside", ops=[seed], **write).result().value()
        logs = [folder / f"reader-{one}" for one in range(count)]
        watching = [
            rooms.start(one, "read_along", log=str(logs[one - 1]), seed=one, last="last", most=KEPT, **common)
            for one in range(1, count + 1)
        ]
        rooms.start(0, "write_beside", ops=plan, **write).result().value()
        _judge_readers(found, [job.result() for job in watching], _moments(log), logs)
    report(
        f"{count} readers beside {ops} operations: {found.answers} answers, {found.compared} compared with brute "
        f"force, {len(found.problems)} problems"
    )
    found.done = ops
    return found


def _moments(log: Path) -> dict[int, State]:
    """The state after each change number that a transaction ended with."""
    moments: dict[int, State] = {0: {}}
    state: State = {}
    for line in Log.read(log):
        state = applied(state, line["op"])
        moments[line["change"]] = state
    return moments


def _judge_readers(found: Beside, ended: list[Ended], moments: dict[int, State], logs: list[Path]) -> None:
    for one in ended:
        if one.status:
            found.problems.append(f"a reader ended with {one.status}: {one.output}")
        else:
            found.answers += one.said["asked"]
            found.problems += [f"a reader rebuilt: {repair}" for repair in one.said["repairs"]]
    short = 0.0
    for log in logs:
        for line in Log.read(log):
            found.compared += 1
            short += _missing(found, line, moments.get(line["as_of"]))
    if short > 0.01 * max(1, found.compared):
        found.problems.append(f"recall {1 - short / found.compared:.4f} against brute force as of the same change")


def _missing(found: Beside, line: dict[str, Any], state: State | None) -> float:
    """The part of the true answer that is missing from this one."""
    if state is None:
        found.problems.append(f"an answer as of change {line['as_of']}, at which no transaction ended")
        return 0.0
    names, rows = table(state)
    strange = set(line["names"]) - set(names)
    if strange:
        found.problems.append(f"{sorted(strange)[0]} was not there at change {line['as_of']}")
    most = min(10, len(names))
    if not most:
        return 0.0
    scores = rows @ queries(1, line["seed"])[0]
    least = np.sort(scores)[-most] - 1e-5
    right = {name for name, score in zip(names, scores, strict=True) if score >= least}
    return 1 - len(right & set(line["names"])) / most if len(line["names"]) == most else 1.0
