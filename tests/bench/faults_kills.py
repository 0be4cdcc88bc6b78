"""Processes killed at random moments and at every named point, and what the next opening finds."""

from __future__ import annotations

import json
import math
import random
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from tests.bench.faults_process import Ended, Nursery
from tests.bench.faults_world import Ledger, Log, Op, Planner, is_one_transaction

KINDS = ("vector", "picture", "file")
CHAIN = 25
"""Kills that one collection lives through."""
OPS = 5
TURNS = 8
"""A kill that comes too late is tried again, sooner, so many times."""


@dataclass(frozen=True)
class Task:
    """One kill: at the `hit`-th passing of a point, or without one at a random moment. `fresh`: in a new collection."""

    kind: str
    point: str | None = None
    hit: int = 1
    fresh: bool = False


@dataclass
class Kills:
    """The outcome. `points`: those of `known`, all named ones, at which a process died; `chosen`: where it was to."""

    killed: int = 0
    problems: list[str] = field(default_factory=list)
    repairs: list[str] = field(default_factory=list)
    points: set[str] = field(default_factory=set)
    known: set[str] = field(default_factory=set)
    chosen: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)


class Chain:
    """One collection that lives through many kills."""

    def __init__(self, folder: Path, kind: str, seed: int, nursery: Nursery, kills: Kills) -> None:
        self.folder, self.kind, self.nursery, self.kills = folder, kind, nursery, kills
        self.planner, self.ledger, self.count = Planner(seed, kind), Ledger(), 0
        self.random = random.Random(seed)
        self.seconds = 0.5

    def run(self, task: Task, ops: int = OPS) -> bool:
        """Carry out so many operations until killed, then inspect; return False if the process ended before."""
        self.count += 1
        late = None if task.point else self.random.uniform(0, self.seconds)
        started = time.perf_counter()
        ended, log = self._work(ops, point=task.point, hit=task.hit, kill_after=late)
        if ended.status == 0:
            self.seconds = 0.8 * (time.perf_counter() - started)
        elif not ended.was_killed:
            self.problem(task, f"the child ended with {ended.status}: {ended.output}")
        self.ledger.acknowledge(log)
        self.look(task)
        if ended.was_killed:
            with self.kills.lock:
                self.kills.killed += 1
                self.kills.points |= {task.point} if task.point else set()
        return ended.was_killed

    def _work(self, ops: int, **more: Any) -> tuple[Ended, list[dict[str, Any]]]:
        again = self.ledger.again()
        self.ledger.pending = again[:0]
        self.ledger.pending = [*again, *self.planner.ops(self._state_after(again), ops)]
        log = self.folder.with_name(f"{self.folder.name}-log-{self.count}")
        ended = self.nursery.run(
            "work", folder=str(self.folder), kind=self.kind, ops=self.ledger.pending, log=str(log), **more
        )
        lines = Log.read(log)
        log.unlink(missing_ok=True)
        return ended, lines

    def _state_after(self, ops: Sequence[Op]) -> dict[str, int]:
        ledger = Ledger(self.ledger.state, pending=list(ops))
        return ledger.after

    def look(self, task: Task) -> None:
        """Inspect the collection in a new process; what it finds is the state from now on."""
        flight = self.ledger.pending[0] if self.ledger.pending else {"op": "save"}
        whole = is_one_transaction(flight["op"], self.kind)
        close = self.random.random() < 0.5
        states = {"before": self.ledger.state, "after": self.ledger.after}
        ended = self.nursery.run("look", folder=str(self.folder), kind=self.kind, whole=whole, close=close, **states)
        if ended.status:
            self.problem(task, f"opening ended with {ended.status}: {ended.output}")
            return
        for problem in ended.value_returned["problems"]:
            self.problem(task, problem)
        with self.kills.lock:
            self.kills.repairs += [f"{task}: {repair}" for repair in ended.value_returned["repairs"]]
        if ended.value_returned["change"] < self.ledger.change:
            self.problem(
                task, f"the change number went back from {self.ledger.change} to {ended.value_returned['change']}"
            )
        self.ledger.state, self.ledger.change = ended.value_returned["state"], ended.value_returned["change"]

    def finish(self) -> None:
        """Repeat the run that was killed, and check that it completes."""
        ended, log = self._work(1)
        done = Task(self.kind, "the repetition")
        if ended.status:
            self.problem(done, f"ended with {ended.status}: {ended.output}")
        self.ledger.acknowledge(log)
        self.look(done)
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.folder.with_name(self.folder.name + "-pictures"), ignore_errors=True)

    def problem(self, task: Task, description: str) -> None:
        with self.kills.lock:
            self.kills.problems.append(f"{self.folder.name} after {task}, in flight {self._flight()}: {description}")

    def _flight(self) -> str:
        return json.dumps(self.ledger.pending[0])[:120] if self.ledger.pending else "nothing"


def points(folder: Path, kind: str, nursery: Nursery) -> tuple[dict[str, int], dict[str, int]]:
    """Count how often each point is passed while a collection is made, and in a later run over it."""
    chain = Chain(folder, kind, 7, nursery, Kills())
    counts = []
    for ops in (OPS, 3 * OPS):
        chain.count += 1
        ended, log = chain._work(ops, armed=True)
        counts.append({name: max(1, times // (ops // OPS)) for name, times in ended.value().items()})
        chain.ledger.acknowledge(log)
    return counts[0], counts[1]


def plan(
    tried: int, known: dict[str, tuple[dict[str, int], dict[str, int]]], seed: int = 0, share: float = 1.0
) -> list[Task]:
    """Plan a kill at each named point, four in ten of `tried` at random, the rest at any passing of a point.

    share: of the named points, drawn anew by each seed.
    """
    draw = random.Random(seed)
    owners: dict[str, list[Task]] = {}
    for kind, (first, later) in known.items():
        for name, times in {**first, **later}.items():
            owners.setdefault(name, []).append(Task(kind, name, times, fresh=name not in later))
    names = draw.sample(sorted(owners), math.ceil(share * len(owners)))
    tasks = [_at(draw, draw.choice(owners[name]), first=True) for name in names]
    while len(tasks) < 0.6 * tried:
        tasks.append(_at(draw, draw.choice(owners[draw.choice(sorted(owners))])))
    tasks += [Task(draw.choice(list(known))) for _ in range(max(tried - len(tasks), int(0.4 * tried)))]
    # one kind after the other, so that collections live through many; fresh ones are made for themselves
    draw.shuffle(tasks)
    return sorted(tasks, key=lambda task: (task.kind, task.fresh))


def _at(draw: random.Random, task: Task, first: bool = False) -> Task:
    return Task(task.kind, task.point, 1 if first else draw.randint(1, task.hit), task.fresh)


def run(
    tried: int,
    folder: Path,
    workers: int = 2,
    report: Callable[[str], object] = print,
    seed: int = 0,
    share: float = 1.0,
) -> Kills:
    """Kill so often, and at least once at every named point (or a share of them), in `workers` processes at once."""
    kills = Kills()
    with Nursery(folder / "out") as nursery:
        known = {kind: points(folder / f"count-{kind}", kind, nursery) for kind in KINDS}
    kills.known = {name for first, later in known.values() for name in (*first, *later)}
    report(f"{len(kills.known)} named points")
    tasks = plan(tried, known, seed, share)
    kills.chosen = {task.point for task in tasks if task.point}
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda w: _share(folder / f"worker-{w}", tasks[w::workers], kills, report, w), range(workers)))
    return kills


def _share(folder: Path, tasks: Sequence[Task], kills: Kills, report: Callable[[str], object], worker: int) -> None:
    """Carry out one worker's tasks."""
    chain: Chain | None = None
    with Nursery(folder) as nursery:
        for number, task in enumerate(tasks):
            for turn in range(TURNS):
                anew = task.fresh or (turn and task.point)
                if chain and (anew or chain.kind != task.kind or chain.count >= CHAIN):
                    chain.finish()
                    chain = None
                if chain is None:
                    seed = 10_000 * worker + 10 * number + turn
                    chain = Chain(folder / f"{task.kind}-{seed}", task.kind, seed, nursery, kills)
                # more operations each time: some points are passed by few kinds of them
                if chain.run(Task(task.kind, task.point, max(1, task.hit >> turn), task.fresh), OPS * (turn + 1)):
                    break
            if number % 50 == 49:
                report(f"worker {worker}: {number + 1} of {len(tasks)} kills, {len(kills.problems)} problems")
        if chain:
            chain.finish()
