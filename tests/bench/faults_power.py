"""Power cuts: work is recorded with what it synced, and each moment of it is replayed as a disk may be left.

The process runs under strace; where that is missing nothing is tried, and the row says so.
"""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexers.catalogue import sqlite as database
from tests.bench import faults_jobs, power_jobs
from tests.bench.faults_process import ROOT, Nursery
from tests.bench.faults_world import Ledger, Op, Planner, is_one_transaction
from tests.bench.power_disk import COMMAND, Call, Disk, list_choices, read_trace, restore

LOG = "acknowledged"
COPIES = 4
"""Pictures that lie in two places, of which one is moved."""


@dataclass
class Cuts:
    """What came of them. `tried`: states that were opened."""

    tried: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""


class Scenario(ABC):
    """Work below one folder. `acknowledged`, in the checks, are the lines that it logged before the cut."""

    name: str
    job: str

    def __init__(self, root: Path, nursery: Nursery) -> None:
        self.root, self.nursery = root, nursery
        self.folder = root / "collection"
        root.mkdir(parents=True)
        self.arguments = self.prepare()

    @abstractmethod
    def prepare(self) -> dict[str, Any]:
        """Make what is there before, and return the job's arguments."""

    @abstractmethod
    def check(self, acknowledged: list[dict[str, Any]]) -> list[str]:
        """Return what is wrong with the folder as it was left."""

    def run(self, job: str, **arguments: Any) -> Any:
        return self.nursery.run(job, **arguments).value()

    def try_job(self, job: str, **arguments: Any) -> tuple[Any, list[str]]:
        """Run a job that has to succeed; return its value, and the problem if it does not."""
        ended = self.nursery.run(job, **arguments)
        return ended.value_returned, [f"{job} ended with {ended.status}: {ended.output}"] if ended.status else []


class Living(Scenario):
    """Adding, replacing, removing, saving."""

    job = "work"

    def __init__(self, kind: str, root: Path, nursery: Nursery) -> None:
        self.kind, self.name = kind, f"adding, removing, saving ({kind}s)"
        super().__init__(root, nursery)

    def prepare(self) -> dict[str, Any]:
        planner, self.ledger = Planner(5, self.kind), Ledger()
        before = planner.ops({}, 2)
        self._work(before)
        self.ledger.pending = list(before)
        self.ledger.acknowledge([{"change": 0}] * len(before))
        self.ops: list[Op] = planner.ops(self.ledger.state, 5)
        return {"folder": str(self.folder), "kind": self.kind, "ops": self.ops}

    def _work(self, ops: list[Op]) -> None:
        self.run("work", folder=str(self.folder), kind=self.kind, ops=ops, log=str(self.root / "before"))

    def check(self, acknowledged: list[dict[str, Any]]) -> list[str]:
        ledger = Ledger(dict(self.ledger.state), pending=list(self.ops))
        ledger.acknowledge(acknowledged)
        flight = ledger.pending[0]["op"] if ledger.pending else "save"
        whole = is_one_transaction(flight, self.kind)
        states = {"before": ledger.state, "after": ledger.after}
        value, problems = self.try_job("look", folder=str(self.folder), kind=self.kind, whole=whole, **states)
        if problems:
            return problems
        if value["change"] < ledger.change:
            problems.append(f"the change number went back from {ledger.change} to {value['change']}")
        return [*problems, *value["problems"]]


class Moving(Scenario):
    """Moving copies out of the way: each picture is at one place at least, and an undo brings all back."""

    name, job = "moving copies", "move_copies"

    def prepare(self) -> dict[str, Any]:
        self.contents = self.run("make_copies", folder=str(self.folder), pictures=str(self.root), count=COPIES)
        return {"folder": str(self.folder), "target": str(self.root / "moved")}

    def check(self, acknowledged: list[dict[str, Any]]) -> list[str]:
        problems, failures = self.try_job(
            "look_at_moved", **self.arguments, contents=self.contents, is_done=bool(acknowledged)
        )
        return failures or list(problems)


class Uploading(Scenario):
    """Pictures that somebody sent."""

    name, job = "keeping uploads", "keep_uploads"

    def prepare(self) -> dict[str, Any]:
        self.folder.mkdir()
        return {"folder": str(self.folder), "count": 3}

    def check(self, acknowledged: list[dict[str, Any]]) -> list[str]:
        return [
            f"{line['path']} was acknowledged and is not there whole"
            for line in acknowledged
            if not Path(line["path"]).is_file() or Path(line["path"]).read_bytes().hex() != line["content"]
        ]


class Rescuing(Scenario):
    """The rescue of a damaged database."""

    name, job = "rescue", "rescue"

    def prepare(self) -> dict[str, Any]:
        ops = Planner(6, "vector").ops({}, 4)
        self.run("work", folder=str(self.folder), kind="vector", ops=ops, log=str(self.root / "before"))
        path = self.folder / database.FILE
        content = bytearray(path.read_bytes())
        content[-database.PAGE_SIZE :] = b"\xff" * database.PAGE_SIZE
        path.write_bytes(content)
        copy = self.root / "copy"
        shutil.copytree(self.folder, copy)
        self.counts = self.run("rescue", folder=str(copy), log=str(self.root / "before"))
        shutil.rmtree(copy)
        return {"folder": str(self.folder)}

    def check(self, acknowledged: list[dict[str, Any]]) -> list[str]:
        counts, problems = self.try_job("finish_rescue", folder=str(self.folder), is_done=bool(acknowledged))
        return problems or (
            [] if counts == self.counts["item"] else [f"{counts} of {self.counts['item']} items are left"]
        )


class Upgrading(Scenario):
    """Bringing an old database to the present schema."""

    name, job = "upgrade", "upgrade"

    def prepare(self) -> dict[str, Any]:
        self.folder.mkdir()
        shutil.copy(ROOT / "tests/upgrades/0004" / database.FILE, self.folder)
        return {"folder": str(self.folder)}

    def check(self, acknowledged: list[dict[str, Any]]) -> list[str]:
        count, problems = self.try_job("finish_upgrade", folder=str(self.folder), is_done=bool(acknowledged))
        return problems or ([] if count == 4 else [f"{count} of 4 items are left"])


Maker = Callable[[Path, Nursery], Scenario]


def make_living(kind: str) -> Maker:
    """Return what makes the scenario of a living collection of that kind."""
    return lambda root, nursery: Living(kind, root, nursery)


SCENARIOS: tuple[Maker, ...] = (make_living("vector"), make_living("file"), Moving, Uploading, Rescuing, Upgrading)


def run(tried: int, folder: Path, makers: Sequence[Maker] = SCENARIOS, report: Callable[[str], object] = print) -> Cuts:
    """Try about so many states, shared among the scenarios, at random moments and always at the last."""
    cuts = Cuts()
    if not is_traceable(folder):
        cuts.skipped = "strace is missing, or may not trace"
        return cuts
    with Nursery(folder / "out") as nursery:
        for number, make in enumerate(makers):
            scenario = make(folder / f"power-{number}", nursery)
            before = cuts.tried
            for state, problems in try_states(scenario, tried // len(makers), number):
                cuts.tried += 1
                cuts.problems += [f"{scenario.name}, {state}: {problem}" for problem in problems]
            report(f"{scenario.name}: {cuts.tried - before} states, {len(cuts.problems)} problems so far")
            shutil.rmtree(scenario.root, ignore_errors=True)
    return cuts


def is_traceable(folder: Path) -> bool:
    """Return True if strace is there and may trace."""
    if shutil.which("strace") is None:
        return False
    trace = folder / "trial"
    done = subprocess.run([*COMMAND, "-o", str(trace), "true"], capture_output=True)
    return done.returncode == 0


def try_states(scenario: Scenario, count: int, seed: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the description of each state that was tried, and its problems."""
    disk, calls = record(scenario)
    rehearsal = copy.deepcopy(disk)
    useful = sum(rehearsal.apply(call) for call in calls)
    draw, choices = random.Random(seed), list_choices(seed)
    number = min(useful, max(1, count // len(choices)))
    moments = sorted([*draw.sample(range(1, useful + 1), number), useful])
    log = str(scenario.root / LOG)
    passed = 0
    for call in calls:
        if not disk.apply(call):
            continue
        passed += 1
        while moments and moments[0] == passed:
            moments.pop(0)
            acknowledged = _read_log(disk, log)
            for choice in choices:
                left = {path: content for path, content in disk.leave(choice).items() if path != log}
                restore(scenario.root, left)
                yield f"{choice.what} after step {passed} of {useful}", scenario.check(acknowledged)


def record(scenario: Scenario) -> tuple[Disk, list[Call]]:
    """Run the job, and return the disk before it and the calls that it made."""
    disk = Disk(scenario.root)
    trace = scenario.root.with_name(scenario.root.name + "-trace")
    arguments = json.dumps({**scenario.arguments, "log": str(scenario.root / LOG)})
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(
        [*COMMAND, "-o", str(trace), sys.executable, "-m", __name__, scenario.job, arguments],
        check=True,
        env=environment,
        capture_output=True,
    )
    calls = list(read_trace(trace.read_text().splitlines()))
    trace.unlink()
    return disk, calls


def _read_log(disk: Disk, path: str) -> list[dict[str, Any]]:
    content = disk.names.get(path)
    lines = bytes(content.data).split(b"\n")[:-1] if content else []
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    jobs = vars(faults_jobs) | vars(power_jobs)
    jobs[sys.argv[1]](**json.loads(sys.argv[2]))
