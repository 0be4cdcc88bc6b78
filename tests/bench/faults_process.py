"""Processes that may be killed or crash, cheap enough for hundreds: forked from one that has imported everything.

One process, `python -m tests.bench.faults_process`, opens nothing, has no threads, and forks a child for every job.
How a child ended is its wait status, so that a crash of native code can't be missed.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
LAZY = ("indexers.clusterers.incremental_kmeans.persistence", "indexers.followers.evidence", "scipy.sparse.csgraph")
"""Imported before the first fork, since each child would import them again."""


@dataclass(frozen=True)
class Ended:
    """`status` as of subprocess: negative is a signal. `said`: what the job returned; None if it did not come so far.
    `output`: what it printed, tracebacks too."""

    status: int
    value_returned: Any
    output: str

    @property
    def was_killed(self) -> bool:
        return self.status == -signal.SIGKILL

    def value(self) -> Any:
        """Return the job's value; it must have ended well."""
        assert self.status == 0, f"a child ended with {self.status}: {self.output}"
        return self.value_returned


class Mother:
    """The process that every child is forked from. Any number of threads may have children at work at once."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        environment = {name: value for name, value in environment.items() if not name.startswith("NEARKIN_")}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.faults_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment | threads,
        )
        self._lock, self._count = threading.Lock(), 0
        self._waiting: dict[int, Future[int]] = {}
        threading.Thread(target=self._read_answers, daemon=True).start()
        atexit.register(self._end)

    def run(self, order: dict[str, Any]) -> int:
        """Run a job in a child, and return how the child ended."""
        assert self._process.stdin is not None
        ended: Future[int] = Future()
        with self._lock:
            self._count += 1
            self._waiting[self._count] = ended
            self._process.stdin.write(json.dumps(order | {"number": self._count}) + "\n")
            self._process.stdin.flush()
        return ended.result()

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            number, status = map(int, line.split())
            self._waiting.pop(number).set_result(status)
        for ended in self._waiting.values():
            ended.set_exception(RuntimeError("the process that forks the children has ended"))

    def _end(self) -> None:
        self._process.communicate()


@cache
def _start_mother() -> Mother:
    return Mother()


class Nursery:
    """Runs one job at a time, each in a child. `folder`: where children leave their output."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, 0

    def run(self, job: str, *, kill_after: float | None = None, **arguments: Any) -> Ended:
        """Run a job, a function of one of the modules below; kill it if it is still at work after so many seconds."""
        self._count += 1
        output = self._folder / f"said-{self._count}"
        order = {"job": job, "arguments": arguments, "kill_after": kill_after, "output": str(output)}
        status = _start_mother().run(order)
        result = output.with_suffix(".json")
        value = json.loads(result.read_text()) if status == 0 else None
        text = output.read_text(errors="replace") if output.exists() else ""  # killed before its first step
        for path in (output, result):
            path.unlink(missing_ok=True)
        return Ended(status, value, text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass
class Child:
    """A child at work: its process, the order's number, and when it is to be killed."""

    process: int
    number: int
    deadline: float | None


def serve() -> None:
    """Read orders, fork a child for each, and print how each ended; this is the mother process."""
    from tests.bench import faults_foreign, faults_interrupts, faults_jobs, faults_resources, power_jobs

    for name in LAZY:
        importlib.import_module(name)
    jobs = (
        vars(faults_jobs) | vars(power_jobs) | vars(faults_interrupts) | vars(faults_resources) | vars(faults_foreign)
    )
    children: dict[int, Child] = {}
    rest, is_open = b"", True
    while is_open or children:
        deadlines = [child.deadline for child in children.values() if child.deadline is not None]
        wait = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        ready = select.select([*([0] if is_open else []), *children], [], [], wait)[0]
        for child in children.values():
            if child.deadline is not None and child.deadline <= time.monotonic():
                os.kill(child.process, signal.SIGKILL)
                child.deadline = None
        for handle in ready:
            if handle in children:
                child = children.pop(handle)
                os.close(handle)
                print(child.number, os.waitstatus_to_exitcode(os.waitpid(child.process, 0)[1]), flush=True)
                continue
            read = os.read(0, 1 << 16)
            is_open = bool(read)
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                _fork_child(jobs, json.loads(line), children)


def _fork_child(jobs: dict[str, Any], order: dict[str, Any], children: dict[int, Child]) -> None:
    process = os.fork()
    if process == 0:
        _work(jobs, order)
    deadline = None if order["kill_after"] is None else time.monotonic() + order["kill_after"]
    children[os.pidfd_open(process)] = Child(process, order["number"], deadline)


def _work(jobs: dict[str, Any], order: dict[str, Any]) -> None:
    """Carry out an order in the child, which ends here."""
    status = 1
    try:
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # orders are the mother's
        for stream in (1, 2):
            os.dup2(output, stream)
        value = jobs[order["job"]](**order["arguments"])
        Path(order["output"] + ".json").write_text(json.dumps(value))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve()
