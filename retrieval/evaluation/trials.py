"""One method tried on rows in a process of its own: what it finds, what without a part of the rows, at what cost.

A process of its own is the only honest place to measure memory in: native code's counts too, and what other methods
have left behind does not. And one that crashes or takes all memory costs its row in a table and nothing else.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from indexers import plugins
from indexers.clusterers.base import Ints, Rows
from indexers.errors import NearkinError

GROUP = "nearkin.clusterers"
BOOT = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from retrieval.evaluation.trials import main; main()"
STATUS = Path("/proc/self/status")
ROWS, DRAWS, FOUND, ERRORS = "rows.npy", "draws.npz", "found.npz", "errors"


class Trial(NamedTuple):
    """labels: int64 (n,). again: those of each draw's rows. parameters: those given and those filled in. seconds: of
    the fit of all rows, with loading what it needs; cpu_seconds: of all its threads. memory: bytes that it took at
    most, over what the process held with the rows and the class; None where the system doesn't tell (Linux does).
    unstable: why there are fewer of `again` than draws."""

    labels: Ints
    again: tuple[Ints, ...]
    parameters: dict[str, Any]
    seconds: float
    cpu_seconds: float
    memory: int | None
    unstable: str | None


class TrialFailed(Exception):
    """It gave no labels; the message says why."""


def tried(
    name: str,
    given: Mapping[str, Any],
    usual: Mapping[str, Any],
    rows: Rows,
    draws: Sequence[Ints] = (),
    progress: Callable[[], object] | None = None,
) -> Trial:
    """Fit the clusterer of that name to rows (n, d), then to those of each draw.

    given: its parameters; usual: values for those that it has and that are not given. `progress` is called after each
    fit. Raises TrialFailed.
    """
    with tempfile.TemporaryDirectory(prefix="nearkin-") as folder:
        place = Path(folder)
        np.save(place / ROWS, rows)
        np.savez(place / DRAWS, *draws)
        told = _run(place, [name, json.dumps(dict(given)), json.dumps(dict(usual))], progress)
        if "labels" not in told:
            raise TrialFailed(told["error"])
        with np.load(place / FOUND, allow_pickle=False) as found:
            again = tuple(found[f"again_{one}"] for one in range(told.pop("labels")))
            return Trial(found["labels"], again, **told)


def _run(place: Path, words: list[str], progress: Callable[[], object] | None) -> dict[str, Any]:
    """What the process says last, or what became of it."""
    path = [one for one in sys.path if os.path.isabs(one)]
    with open(place / ERRORS, "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, json.dumps(path), str(place), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        told = _heard(process.stdout, progress)
        if told is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
    finally:
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
    return told or {"error": _fate(code, place / ERRORS)}


def _heard(pipe: IO[bytes], progress: Callable[[], object] | None) -> dict[str, Any] | None:
    """A line for each fit, and one at the end. None: it ended before."""
    for line in pipe:
        told: dict[str, Any] = json.loads(line)
        if told:
            return told
        if progress:
            progress()
    return None


def _fate(code: int, errors: Path) -> str:
    if code == -9:
        return "its process was killed; perhaps it wanted more memory than there is"
    last = errors.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
    ended = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with {code}"
    return f"its process {ended}: {last[0]}"


# ---- in the process


def main() -> None:
    """The arguments: module path (already in force), folder, name, parameters given, and usual ones."""
    said = os.dup(1)
    os.dup2(2, 1)  # what a method prints is no answer
    threading.Thread(target=_watch, daemon=True).start()
    place, name = Path(sys.argv[2]), sys.argv[3]
    given, usual = json.loads(sys.argv[4]), json.loads(sys.argv[5])
    try:
        told = _tried(place, name, given, usual, lambda: os.write(said, b"{}\n"))
    except MemoryError:
        told = {"error": "it wanted more memory than there is"}
    except (NearkinError, ValueError, TypeError, ImportError) as error:
        told = {"error": " ".join(str(error).split())}
    except Exception as error:
        told = {"error": f"{type(error).__name__}: {error}"}
    os.write(said, json.dumps(told).encode() + b"\n")
    os._exit(0)


def _watch() -> None:
    """End with the parent, also in the middle of a fit."""
    sys.stdin.buffer.read()
    os._exit(1)


def _tried(
    place: Path, name: str, given: dict[str, Any], usual: dict[str, Any], fitted: Callable[[], object]
) -> dict[str, Any]:
    rows = np.load(place / ROWS)
    with np.load(place / DRAWS) as file:
        draws = [file[one] for one in file.files]
    make = plugins.load(GROUP, name)
    offered = make(**given).get_params()
    parameters = {one: value for one, value in usual.items() if one in offered} | given
    before = _peak(anew=True)
    started, busy = time.perf_counter(), sum(os.times()[:4])
    labels = _labels(make(**parameters), rows)
    seconds, cpu = time.perf_counter() - started, sum(os.times()[:4]) - busy
    after = _peak()
    fitted()
    again, unstable = _again(lambda: make(**parameters), rows, draws, fitted)
    arrays: dict[str, Any] = {f"again_{one}": found for one, found in enumerate(again)}
    np.savez(place / FOUND, labels=labels, **arrays)
    memory = None if before is None or after is None else max(after - before, 0)
    told = {"parameters": parameters, "seconds": seconds, "cpu_seconds": cpu, "memory": memory, "unstable": unstable}
    return {"labels": len(again), **told}


def _again(
    make: Callable[[], Any], rows: Rows, draws: Sequence[Ints], fitted: Callable[[], object]
) -> tuple[list[Ints], str | None]:
    """The labels of each draw, as far as it goes, and what was in the way of the rest."""
    again: list[Ints] = []
    for draw in draws:
        try:
            again.append(_labels(make(), rows[draw]))
        except Exception as error:
            return again, f"a fit of {len(draw)} of the rows failed: {error}"
        fitted()
    return again, None


def _labels(clusterer: Any, rows: Rows) -> Ints:
    labels = np.asarray(clusterer.fit(rows).labels_)
    if labels.shape != (len(rows),) or labels.dtype.kind not in "iu":
        raise ValueError(f"its labels_ are {labels.dtype} {labels.shape}, not one whole number for each of {len(rows)}")
    return labels.astype(np.int64)


def _peak(*, anew: bool = False) -> int | None:
    """The most bytes that this process has held, since it was last asked `anew`."""
    with suppress(OSError):  # not ours to set everywhere; then what was held before counts
        if anew:
            (STATUS.parent / "clear_refs").write_text("5")
    with suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return None
