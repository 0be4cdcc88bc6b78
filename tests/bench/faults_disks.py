"""Disks that fill up: an error of ours, an intact database, and a next run that completes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.faults_process import Nursery
from tests.bench.faults_world import Ledger, Log, Planner

LIMITS = tuple(int(1.5**step * 4096) for step in range(18))
"""Bytes that a file may have: 4 kB (not even a database) to 4 MB."""
SIZES = ("256k", "512k", "1m", "2m", "3m")
"""Of file systems. A new collection takes about half a megabyte."""
OPS = 60


@dataclass
class Disks:
    """What came of them. `full`: runs that met the end of their disk."""

    tried: int = 0
    full: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    messages: set[str] = field(default_factory=set)


class Filled:
    """One collection on a disk that is too small for its run."""

    def __init__(self, folder: Path, log: Path, name: str, kind: str, nursery: Nursery, disks: Disks) -> None:
        self.folder, self.log, self.kind, self.nursery, self.disks = folder, log, kind, nursery, disks
        self.name, self.ledger = f"{name}, {kind}", Ledger()
        self.ledger.pending = Planner(3, kind, limit=2000).ops({}, OPS)

    def fill(self, limit: int | None = None) -> None:
        self.disks.tried += 1
        ended = self._work(limit)
        if ended is None:
            return
        self.disks.full += ended["error"] is not None
        self.disks.messages |= {ended["error"]} if ended["error"] else set()
        if not ended["ours"]:
            self._problem(f"{ended['error']} is no error of ours: {ended['message']}")

    def complete(self) -> None:
        """Check with room again: the collection is intact, nothing acknowledged is lost, the failed run completes."""
        self._look()
        self.ledger.pending = [*self.ledger.again(), *self.ledger.pending[1:]]
        ended = self._work(None)
        if ended is not None and ended["error"]:
            self._problem(f"the repetition failed: {ended['message']}")
        self._look()

    def _work(self, limit: int | None) -> dict[str, object] | None:
        self.log.unlink(missing_ok=True)
        arguments = {"folder": str(self.folder), "kind": self.kind, "ops": self.ledger.pending, "log": str(self.log)}
        ended = self.nursery.run("fill", limit=limit, **arguments)
        self.ledger.acknowledge(Log.read(self.log))
        if ended.status:
            self._problem(f"the child ended with {ended.status}: {ended.output}")
            return None
        if "Traceback" in ended.output:
            self._problem(f"a traceback was printed: {ended.output}")
        return dict(ended.value_returned)

    def _look(self) -> None:
        whole = self.kind == "vector"
        states = {"before": self.ledger.state, "after": self.ledger.after}
        ended = self.nursery.run("look", folder=str(self.folder), kind=self.kind, whole=whole, **states)
        if ended.status:
            self._problem(f"opening ended with {ended.status}: {ended.output}")
            return
        for problem in ended.value_returned["problems"]:
            self._problem(problem)
        if self.ledger.pending and whole and ended.value_returned["state"] == self.ledger.after:
            self.ledger.state = self.ledger.after
        elif not whole:
            self.ledger.state = ended.value_returned["state"]

    def _problem(self, description: str) -> None:
        self.disks.problems.append(f"{self.name}: {description}")


def limit_files(limits: Sequence[int], folder: Path, report: Callable[[str], object] = print) -> Disks:
    """Run once with each limit on the size of a file (RLIMIT_FSIZE)."""
    disks = Disks()
    with Nursery(folder / "out") as nursery:
        for number, limit in enumerate(limits):
            kind = ("vector", "picture")[number % 2]
            filled = Filled(folder / f"limit-{limit}", folder / "log", f"files of {limit} bytes", kind, nursery, disks)
            filled.fill(limit)
            filled.complete()
    report(f"{disks.tried} limits on files, {disks.full} met: {sorted(disks.messages)}, {len(disks.problems)} problems")
    return disks


def small(sizes: Sequence[str], folder: Path, report: Callable[[str], object] = print) -> Disks:
    """Small file systems in memory, where this user may mount some; one run for each."""
    disks = Disks()
    with Nursery(folder / "out") as nursery:
        for number, size in enumerate(sizes):
            disk, kind = folder / f"disk-{size}", ("vector", "picture")[number % 2]
            disk.mkdir()
            with mount(disk, size) as reason:
                if reason:
                    disks.skipped = reason
                    break
                filled = Filled(disk / "collection", folder / "log", f"a disk of {size}", kind, nursery, disks)
                filled.fill()
                _mount("-o", "remount,size=64m", str(disk))
                filled.complete()
    report(f"{disks.tried} small disks, {disks.full} filled, {len(disks.problems)} problems {disks.skipped}")
    return disks


@contextmanager
def mount(folder: Path, size: str) -> Iterator[str]:
    """Mount a file system of that size; yield the reason if that is impossible."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield "only root can mount a small disk"
        return
    done = _mount("-t", "tmpfs", "-o", f"size={size}", "none", str(folder))
    if done.returncode:
        yield f"a small disk can't be mounted here: {done.stderr.strip()}"
        return
    try:
        yield ""
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True, text=True)
    except FileNotFoundError as error:
        return subprocess.CompletedProcess(arguments, 1, "", str(error))
