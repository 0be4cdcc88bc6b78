"""Ctrl+C at random moments: in the library, in a command and in the server. Nothing stays locked, nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from indexers.embedders.tiny import Tiny
from retrieval import Collection
from tests.bench.faults_process import ROOT, Nursery
from tests.bench.faults_world import picture, vector

NEXT_SECONDS = 1.0
"""What the next call may take after an interrupt, as processor time: machines are busy."""
FILES = 60


@dataclass
class Interrupts:
    """What came of them. `cut`: calls and processes that an interrupt ended."""

    tried: int = 0
    cut: int = 0
    problems: list[str] = field(default_factory=list)


def interrupt_library(folder: str, times: int, seed: int) -> dict[str, Any]:
    """Interrupt calls of a collection, each after a random time; return how many were cut short, and what is wrong.

    After each, the same process has to answer and another connection has to write.
    """
    draw, problems, cut, acknowledged = random.Random(seed), list[str](), 0, set[str]()
    collection = Collection.open(folder, create=True, embedder=Tiny(), save_changes=50)
    beside = Collection.open(folder, embedder=Tiny(), wait=NEXT_SECONDS)
    calls = _list_calls(collection, draw, acknowledged)
    signal.signal(signal.SIGALRM, _raise_interrupt)
    for number in range(times):
        name, call = draw.choice(calls)
        try:
            signal.setitimer(signal.ITIMER_REAL, draw.uniform(1e-5, 0.08))
            call()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            cut += 1
        problems += [f"{number}, after {name}: {problem}" for problem in _check_next(collection, beside, acknowledged)]
        if len(problems) > 5:
            break
    lost = acknowledged - {item.key for item in collection.walk()}
    problems += [f"{len(lost)} acknowledged items are lost"] if lost else []
    problems += collection.verify().problems
    beside.close()
    collection.close()
    return {"cut": cut, "problems": problems}


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _list_calls(
    collection: Collection, draw: random.Random, acknowledged: set[str]
) -> list[tuple[str, Callable[[], object]]]:
    def add() -> None:
        names = [f"n{draw.randrange(10**9)}" for _ in range(draw.randint(1, 20))]
        collection.add_vectors(np.stack([vector(name, 1) for name in names]), keys=names)
        acknowledged.update(names)

    def add_pictures() -> None:
        names = [f"p{draw.randrange(10**9)}" for _ in range(draw.randint(1, 5))]
        collection.add([picture(name, 1) for name in names], keys=names)
        acknowledged.update(names)

    def remove() -> None:
        names = draw.sample(sorted(acknowledged), min(3, len(acknowledged)))
        acknowledged.difference_update(names)  # what an interrupted removal leaves is not asked for
        collection.remove(names)

    return [
        ("add_vectors", add),
        ("add", add_pictures),
        ("remove", remove),
        ("search", lambda: collection.search(vector=vector("query", 1), k=5)),
        ("search_many", lambda: collection.search_many(np.stack([vector("query", 1)] * 3))),
        ("clusters", lambda: collection.clusters("fine")),
        ("items", lambda: list(collection.walk())),
        ("recluster", collection.recluster),
        ("catch_up", collection.catch_up),
        ("info", collection.info),
    ]


def _check_next(collection: Collection, beside: Collection, acknowledged: set[str]) -> list[str]:
    """Return what is wrong with the next calls: of this collection, and of another that writes."""
    problems = []
    for name, call in (
        ("search", lambda: collection.search(vector=vector("query", 2), k=3)),
        ("add beside", lambda: beside.add_vectors(vector("beside", 1)[None], keys=["beside"], catch_up=False)),
    ):
        started = time.process_time()
        try:
            call()
        except Exception as error:
            problems.append(f"{name} failed: {type(error).__name__}: {error}")
        if time.process_time() - started > NEXT_SECONDS:
            problems.append(f"{name} took {time.process_time() - started:.2f} s")
    acknowledged.add("beside")
    return problems


def interrupt_command(folder: Path, draw: random.Random) -> tuple[bool, list[str]]:
    """Interrupt `nearkin add`; return whether that ended it, and what is wrong with it and with what it left."""
    pictures, place = folder / "pictures", folder / "collection"
    if not pictures.exists():
        pictures.mkdir(parents=True)
        for number in range(FILES):
            (pictures / f"{number}.png").write_bytes(picture(f"{number}", 1))
    process = _start("add", "-c", str(place), "--embedder", "tiny", str(pictures))
    time.sleep(draw.uniform(0.2, 3))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    problems = _find_traceback(output)
    if place.exists():
        try:
            with Collection.open(place, create=True, embedder=Tiny(), wait=NEXT_SECONDS) as collection:
                collection.add(pictures)
                if collection.count() != FILES:
                    problems.append(f"{collection.count()} of {FILES} pictures after the next run")
                problems += collection.verify().problems
                collection.remove(where={})
        except Exception as error:
            problems.append(f"the next run failed: {type(error).__name__}: {error}")
    if process.returncode not in (0, 1, 130, -signal.SIGINT):
        problems.append(f"it ended with {process.returncode}: {output[-400:]}")
    return process.returncode != 0, problems


def interrupt_server(folder: Path, draw: random.Random) -> tuple[bool, list[str]]:
    """Interrupt `nearkin serve` while it starts or waits; it has to end in order, and to leave no lock."""
    place = folder / "collection"
    with Collection.open(place, create=True, embedder=Tiny()) as collection:
        collection.add([picture("one", 1)], keys=["one"])
    process = _start("serve", "-c", str(place), "--port", "0")
    time.sleep(draw.uniform(0.5, 6))
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        return True, ["it did not end within 30 seconds"]
    problems = _find_traceback(output)
    try:
        with Collection.open(place, embedder=Tiny(), wait=NEXT_SECONDS) as collection:
            collection.add([picture("two", 1)], keys=["two"])
            problems += collection.verify().problems
    except Exception as error:
        problems.append(f"the next run failed: {type(error).__name__}: {error}")
    return True, problems


def _find_traceback(output: str) -> list[str]:
    """Return the traceback that was printed, if it passes our code: Python's own start can't be guarded."""
    is_ours = "Traceback" in output and any(
        f"{os.sep}{package}{os.sep}" in output for package in ("retrieval", "indexers")
    )
    return ["it printed a traceback: " + output[-800:]] if is_ours else []


def _start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", "from retrieval.cli.start import main; main()", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def run(times: int, folder: Path, report: Callable[[str], object] = print) -> Interrupts:
    """Interrupt so often: nine in ten in the library, the rest in commands and servers."""
    outcome, draw = Interrupts(), random.Random(0)
    with Nursery(folder / "out") as nursery:
        for number in range(max(1, times // 300)):
            share = min(300, 9 * times // 10)
            ended = nursery.run("interrupt_library", folder=str(folder / f"c{number}"), times=share, seed=number)
            outcome.tried += share
            if ended.status:
                outcome.problems.append(f"the library's process ended with {ended.status}: {ended.output}")
                continue
            outcome.cut += ended.value_returned["cut"]
            outcome.problems += ended.value_returned["problems"]
            report(f"{outcome.tried} interrupts, {outcome.cut} cut a call short, {len(outcome.problems)} problems")
    for interrupt in (interrupt_command, interrupt_server):
        for _ in range(times // 20):
            cut, problems = interrupt(folder / interrupt.__name__, draw)
            outcome.tried += 1
            outcome.cut += cut
            outcome.problems += [f"{interrupt.__name__}: {problem}" for problem in problems]
        report(f"{interrupt.__name__}: {len(outcome.problems)} problems so far")
    return outcome
