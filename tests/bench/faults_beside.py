"""Several processes at one collection: two writers, and four readers beside a writer."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.faults_process import Ended, Nursery
from tests.bench.faults_world import Log, Op, Planner, State, apply_op, queries, table

KEPT = 4000
"""Answers of each reader that are compared with brute force."""


@dataclass
class Beside:
    """The outcome. `done`: operations of writers; `answers`: of readers; `busy`: refusals that named the writer."""

    done: int = 0
    answers: int = 0
    compared: int = 0
    busy: int = 0
    problems: list[str] = field(default_factory=list)


class Rooms:
    """A process for each job that runs at the same time."""

    def __init__(self, folder: Path, count: int) -> None:
        self._nurseries = [Nursery(folder / f"room-{number}") for number in range(count)]
        self._pool = ThreadPoolExecutor(count)

    def start(self, room: int, job: str, **arguments: Any) -> Future[Ended]:
        return self._pool.submit(self._nurseries[room].run, job, **arguments)

    def __enter__(self) -> Rooms:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


# ---- two writers


def writers(
    rounds: int, folder: Path, kind: str, wait: float = 30.0, report: Callable[[str], object] = print
) -> Beside:
    """Let two processes write the same items at once, in a collection that does not exist yet."""
    outcome = Beside()
    place = folder / f"both-{kind}-{wait}"
    with Rooms(folder / f"rooms-{kind}-{wait}", 2) as rooms:
        logs = [folder / f"{place.name}-log-{number}" for number in range(2)]
        jobs = [
            rooms.start(number, "write_beside", folder=str(place), kind=kind, ops=ops, log=str(log), wait=wait)
            for number, (ops, log) in enumerate(zip(_plans(rounds, kind), logs, strict=True))
        ]
        reports = [job.result().value() for job in jobs]
        _judge_writers(outcome, reports, [Log.read(log) for log in logs], rooms, place, kind)
    report(f"two writers ({kind}, wait {wait}): {outcome.done} operations, {outcome.busy} refused, {outcome.problems}")
    return outcome


def _plans(rounds: int, kind: str) -> list[list[Op]]:
    """Plan two writers: the same names in different orders, each with its own versions (files: the same)."""
    groups = [[f"{kind}-{group}-{number}" for number in range(10)] for group in range(5)]
    op = "files" if kind == "file" else "add"
    first = [{"op": op, "names": groups[turn % 5], "version": 1 if op == "files" else turn} for turn in range(rounds)]
    second = [
        {"op": op, "names": groups[-turn % 5], "version": 1 if op == "files" else 1000 + turn} for turn in range(rounds)
    ]
    return [first, second]


def _judge_writers(
    outcome: Beside, reports: list[Any], lines: list[list[dict[str, Any]]], rooms: Rooms, place: Path, kind: str
) -> None:
    outcome.done = sum(len(log_lines) for log_lines in lines)
    for report in reports:
        outcome.busy += len(report["busy"])
        outcome.problems += [message for message in report["busy"] if "another writer is at work" not in message]
    for report in lines:
        numbers = [line["change"] for line in report]
        if kind == "vector" and numbers != sorted(set(numbers)):  # each of its operations changes something
            outcome.problems.append(f"a writer's change numbers do not grow: {numbers}")
    first, second = (_replay_log(log_lines) for log_lines in lines)
    arguments = {"folder": str(place), "kind": kind, "before": first, "after": second, "whole": False}
    looked = rooms.start(0, "look", **arguments).result().value()
    outcome.problems += looked["problems"] + looked["repairs"]
    if kind == "vector":
        outcome.problems += _find_mixed_batches(looked["state"])


def _replay_log(lines: list[dict[str, Any]]) -> State:
    """Return what one writer wrote last to each item; the collection must hold the last of one or the other."""
    state: State = {}
    for line in lines:
        state = apply_op(state, line["op"])
    return state


def _find_mixed_batches(state: State) -> list[str]:
    """Return a problem for each group whose items come from different batches; a batch is one transaction."""
    groups: dict[str, set[int]] = {}
    for name, version in state.items():
        groups.setdefault(name.rpartition("-")[0], set()).add(version)
    return [f"the batches {sorted(versions)} are mixed" for versions in groups.values() if len(versions) > 1]


def try_impatient_writer(folder: Path, kind: str = "vector") -> tuple[str, int]:
    """Return the message to a writer without patience while another holds the lock, and the holder's process id."""
    place, pipes = folder / "held", [folder / "held-pipe", folder / "release-pipe"]
    for pipe in pipes:
        os.mkfifo(pipe)
    with Rooms(folder / "rooms-held", 2) as rooms:
        op = {"op": "add", "names": ["one"], "version": 1}
        arguments = {"folder": str(place), "kind": kind}
        rooms.start(0, "work", ops=[op], log=str(folder / "held-log"), **arguments).result().value()
        holder = rooms.start(0, "hold", held=str(pipes[0]), release=str(pipes[1]), **arguments)
        assert pipes[0].read_text() == "held"
        refusal = rooms.start(1, "try_to_write", op=op | {"version": 2}, **arguments).result()
        pipes[1].write_text("enough")
        return str(refusal.value()), int(holder.result().value())


# ---- readers beside a writer


def readers(ops: int, folder: Path, count: int = 4, report: Callable[[str], object] = print) -> Beside:
    """Let processes search all the time while another writes, and compare each answer with brute force.

    The comparison is with the state as of the answer's change number.
    """
    outcome, place = Beside(), folder / "read"
    with Rooms(folder / "rooms-read", count + 1) as rooms:
        common = {"folder": str(place), "kind": "vector"}
        seed: Op = {"op": "add", "names": [f"vector-{number}" for number in range(60)], "version": 5000}
        plan = [*Planner(11, "vector").ops(apply_op({}, seed), ops), {"op": "add", "names": ["last"], "version": 1}]
        log = folder / "writer-log"
        write = {"log": str(log), "wait": 30.0, **common}
        rooms.start(0, "write_beside", ops=[seed], **write).result().value()
        logs = [folder / f"reader-{number}" for number in range(count)]
        watching = [
            rooms.start(number, "read_along", log=str(logs[number - 1]), seed=number, last="last", limit=KEPT, **common)
            for number in range(1, count + 1)
        ]
        rooms.start(0, "write_beside", ops=plan, **write).result().value()
        _judge_readers(outcome, [job.result() for job in watching], _moments(log), logs)
    report(
        f"{count} readers beside {ops} operations: {outcome.answers} answers, {outcome.compared} compared with brute "
        f"force, {len(outcome.problems)} problems"
    )
    outcome.done = ops
    return outcome


def _moments(log: Path) -> dict[int, State]:
    """Return the state after each change number at which a transaction ended."""
    moments: dict[int, State] = {0: {}}
    state: State = {}
    for line in Log.read(log):
        state = apply_op(state, line["op"])
        moments[line["change"]] = state
    return moments


def _judge_readers(outcome: Beside, ended: list[Ended], moments: dict[int, State], logs: list[Path]) -> None:
    for job in ended:
        if job.status:
            outcome.problems.append(f"a reader ended with {job.status}: {job.output}")
        else:
            outcome.answers += job.value_returned["asked"]
            outcome.problems += [f"a reader rebuilt: {repair}" for repair in job.value_returned["repairs"]]
    short = 0.0
    for log in logs:
        for line in Log.read(log):
            outcome.compared += 1
            short += _missing(outcome, line, moments.get(line["as_of"]))
    if short > 0.01 * max(1, outcome.compared):
        outcome.problems.append(f"recall {1 - short / outcome.compared:.4f} against brute force as of the same change")


def _missing(outcome: Beside, line: dict[str, Any], state: State | None) -> float:
    """Return the share of the true answer that is missing from this one."""
    if state is None:
        outcome.problems.append(f"an answer as of change {line['as_of']}, at which no transaction ended")
        return 0.0
    names, rows = table(state)
    strange = set(line["names"]) - set(names)
    if strange:
        outcome.problems.append(f"{sorted(strange)[0]} was not there at change {line['as_of']}")
    size = min(10, len(names))
    if not size:
        return 0.0
    scores = rows @ queries(1, line["seed"])[0]
    least = np.sort(scores)[-size] - 1e-5
    right = {name for name, score in zip(names, scores, strict=True) if score >= least}
    return 1 - len(right & set(line["names"])) / size if len(line["names"]) == size else 1.0
