"""The long form of what must never happen: kills, damaged files, full disks, power cuts, hostile requests, and more.

    python -m tests.bench faults             500 kills, 500 damages, 500 power cuts: some minutes
    python -m tests.bench faults --scale .1  a tenth of it (each named point is still met once)

The short form is in `tests/machines/test_faults.py` and `tests/machines/test_processes.py`, over the same functions.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import (
    faults_beside,
    faults_damages,
    faults_disks,
    faults_foreign,
    faults_interrupts,
    faults_kills,
    faults_power,
    faults_questions,
    faults_requests,
    faults_resources,
)
from tests.bench.harness import Bench

Row = dict[str, Any]


def run(bench: Bench) -> None:
    """Run all fault tests as rows of the table of benchmarks."""
    for row in run_all(bench.scale, lambda line: print(f"  {line}", file=sys.stderr, flush=True)):
        title, survived = f"{row['what']}: survived of {row['tried']}", float(row["survived"])
        note = "; ".join(row["problems"])
        bench.add(title, survived, "", row["goal"], peer=float(row["tried"]), limit=row["tried"], more=True, note=note)


def run_all(scale: float = 1.0, report: Callable[[str], object] = print) -> list[Row]:
    """Run all fault tests; a row has `what`, the counts `tried` and `survived`, the `goal`, the first `problems`."""
    with tempfile.TemporaryDirectory(prefix="nearkin-faults-") as folder:
        root = Path(folder)
        parts = (
            "kills",
            "damages",
            "limits",
            "disks",
            "power",
            "questions",
            "interrupts",
            "foreign",
            "beside",
            "requests",
        )
        for part in parts:
            (root / part).mkdir()
        rows = [
            *_kills(max(1, int(500 * scale)), root / "kills", report),
            *_damages(max(10, int(500 * scale)), root / "damages", report),
            *_disks(root, report),
            *_power(max(24, int(500 * scale)), root / "power", report),
            *_questions(max(300, int(50_000 * scale)), root / "questions", report),
            *_interrupts(max(40, int(1000 * scale)), root / "interrupts", report),
            *_foreign(max(45, int(300 * scale)), root / "foreign", report),
            *_beside(max(20, int(300 * scale)), root / "beside", report),
            *_requests(max(200, int(5000 * scale)), root / "requests", report),
            *_resources(scale, root / "resources", report),
        ]
    for row in rows:
        for problem in row["problems"]:
            report(f"{row['what']}: {problem}")
    return rows


def _row(title: str, tried: int, problems: list[str], goal: str) -> Row:
    return {
        "what": title,
        "tried": tried,
        "survived": max(0, tried - len(problems)),
        "goal": goal,
        "problems": [problem[:2000] for problem in problems[:5]],
    }


def _kills(tried: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    kills = faults_kills.run(tried, folder, report=report)
    never = sorted(kills.known - kills.points)
    return [
        _row("killed processes", kills.killed, kills.problems, "all"),
        _row("named points between two writes", len(kills.known), never, "a kill at each"),
        _row("openings after a kill without a rebuild", kills.killed, kills.repairs, "all: replay is enough"),
    ]


def _damages(tried: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    damages = faults_damages.run(tried, folder, report=report)
    return [
        _row("damaged derived files", damages.tried, damages.problems, "all noticed, rebuilt, same answers"),
        _row("openings of damaged files without a crash", damages.tried, ["crashed"] * damages.crashed, "all"),
    ]


def _disks(root: Path, report: Callable[[str], object]) -> list[Row]:
    limited = faults_disks.limit_files(faults_disks.LIMITS, root / "limits", report)
    small = faults_disks.small(faults_disks.SIZES, root / "disks", report)
    goal = "an error of ours, then complete"
    return [
        _row("files that may not grow", limited.tried, limited.problems, goal),
        _row(f"full disks{': ' + small.skipped if small.skipped else ''}", small.tried, small.problems, goal),
    ]


def _power(tried: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    cuts = faults_power.run(tried, folder, report=report)
    title = f"states after a power cut{': ' + cuts.skipped if cuts.skipped else ''}"
    return [_row(title, cuts.tried, cuts.problems, "each opens, nothing acknowledged is missing")]


def _questions(tried: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    outcome = faults_questions.run(tried, folder, report)
    return [
        _row("questions of every kind, beside writers too", outcome.asked, outcome.problems, "right, none stale"),
        _row("kinds of questions by metric", len(outcome.recall), outcome.missed(), "mean recall .99 each"),
    ]


def _interrupts(tried: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    outcome = faults_interrupts.run(tried, folder, report)
    goal = "no lock held, the next call answers within 1 s"
    return [_row(f"interrupts, {outcome.cut} of which cut something short", outcome.tried, outcome.problems, goal)]


def _foreign(tried: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    outcome = faults_foreign.run(tried, folder, report)
    goal = "nothing read or written beyond the folder, errors of ours"
    return [_row("hostile collections that were opened and used", outcome.tried, outcome.problems, goal)]


def _beside(rounds: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    rows = []
    for kind in faults_kills.KINDS:
        outcome = faults_beside.writers(rounds, folder, kind, report=report)
        rows.append(_row(f"operations of two writers at once ({kind}s)", outcome.done, outcome.problems, "all"))
    hasty = faults_beside.writers(rounds, folder, "vector", wait=0.01, report=report)
    rows.append(_row("the same with hardly any patience", hasty.done, hasty.problems, "done, or refused by name"))
    watched = faults_beside.readers(3 * rounds, folder, report=report)
    rows.append(_row("answers of four readers beside a writer", watched.compared, watched.problems, "as brute force"))
    return rows


def _requests(count: int, folder: Path, report: Callable[[str], object]) -> list[Row]:
    outcome = faults_requests.run(count, folder, report)
    title = f"hostile requests of {faults_requests.CLIENTS} clients, {outcome.megabytes:.0f} MB at most"
    goal = f"no fault, nothing read or written beyond, below {faults_requests.MAX_MEGABYTES:,} MB"
    return [_row(title, outcome.tried, outcome.problems, goal)]


def _resources(scale: float, folder: Path, report: Callable[[str], object]) -> list[Row]:
    rows = []
    for kind, count in ((faults_resources.OPENINGS, 1000), (faults_resources.QUESTIONS, 100_000)):
        outcome = faults_resources.run(max(100, int(count * scale)), folder, kind, report)
        title = f"{kind}, after which memory has grown by {outcome.growth:.1f} MB"
        rows.append(_row(title, outcome.tried, outcome.problems, "descriptors, threads and memory flat"))
    return rows
