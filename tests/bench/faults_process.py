"""Processes that may be killed or crash, cheap enough for hundreds: forked from one that has imported everything.

`Nursery` starts `python -m tests.bench.faults_process`, which opens nothing, has no threads, and forks a child for
every job. How a child ended is its wait status, so that a crash of native code can't be missed.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from dataclasses import dataclass
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


class Nursery:
    """A parent process that runs one job at a time, each in a child. `folder`: where children leave their output."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._count = folder, 0
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

    def run(self, job: str, *, kill_after: float | None = None, **arguments: Any) -> Ended:
        """Run a job, a function of one of the modules below; kill it if it is still at work after so many seconds."""
        self._count += 1
        output = self._folder / f"said-{self._count}"
        order = {"job": job, "arguments": arguments, "kill_after": kill_after, "output": str(output)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
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
    ) -> None:
        self._process.communicate()


def serve() -> None:
    """Read orders, fork a child for each, and print how it ended; this is the nursery's own process."""
    from tests.bench import faults_foreign, faults_interrupts, faults_jobs, faults_resources, power_jobs

    for name in LAZY:
        importlib.import_module(name)
    jobs = (
        vars(faults_jobs) | vars(power_jobs) | vars(faults_interrupts) | vars(faults_resources) | vars(faults_foreign)
    )
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _work(jobs, order)
        print(_wait_for(child, order["kill_after"]), flush=True)


def _wait_for(child: int, kill_after: float | None) -> int:
    handle = os.pidfd_open(child)
    try:
        if kill_after is not None and not select.select([handle], [], [], kill_after)[0]:
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(handle)


def _work(jobs: dict[str, Any], order: dict[str, Any]) -> None:
    """Carry out an order in the child, which ends here."""
    status = 1
    try:
        output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
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
