"""One method tried on rows in a separate process: its labels, its labels of parts of the rows, and the cost.

A separate process is the only honest place to measure memory in: native code's memory counts too, and memory that other
methods left behind does not. And a method that crashes or takes all memory costs its row in a table and nothing else.
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
ROWS, DRAWS, LABELS, ERRORS = "rows.npy", "draws.npz", "labels.npz", "errors"
"""Files that the two processes share."""


class Trial(NamedTuple):
    """The labels and the cost of one method.

    labels: int64 (n,). draw_labels: those of the rows of each draw. parameters: the caller's and the defaults.
    seconds: the fit of all rows, including loading what it needs; cpu_seconds: of all its threads. memory: the peak in
    bytes above what the process held with the rows and the class; None where the system doesn't tell (Linux does).
    draw_failure: why there are fewer of `draw_labels` than draws.
    """

    labels: Ints
    draw_labels: tuple[Ints, ...]
    parameters: dict[str, Any]
    seconds: float
    cpu_seconds: float
    memory: int | None
    draw_failure: str | None


class TrialFailed(Exception):
    """The method gave no labels; the message says why."""


def run_trial(
    name: str,
    parameters: Mapping[str, Any],
    defaults: Mapping[str, Any],
    rows: Rows,
    draws: Sequence[Ints] = (),
    progress: Callable[[], object] | None = None,
) -> Trial:
    """Fit the clusterer of that name to rows (n, d), then to those of each draw.

    `defaults`: values of parameters that it has and that `parameters` leave out. `progress` is called after each fit.
    Raises TrialFailed.
    """
    with tempfile.TemporaryDirectory(prefix="nearkin-") as folder_name:
        folder = Path(folder_name)
        np.save(folder / ROWS, rows)
        np.savez(folder / DRAWS, *draws)
        message = _run_process(folder, [name, json.dumps(dict(parameters)), json.dumps(dict(defaults))], progress)
        if "labels" not in message:
            raise TrialFailed(message["error"])
        with np.load(folder / LABELS, allow_pickle=False) as arrays:
            draw_labels = tuple(arrays[f"draw_{number}"] for number in range(message.pop("labels")))
            return Trial(arrays["labels"], draw_labels, **message)


def _run_process(folder: Path, arguments: list[str], progress: Callable[[], object] | None) -> dict[str, Any]:
    """Return the last message of the process, or an error that says how it ended."""
    path = [entry for entry in sys.path if os.path.isabs(entry)]
    with open(folder / ERRORS, "wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", BOOT, json.dumps(path), str(folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout is not None
        message = _read_last_message(process.stdout, progress)
        if message is None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
    finally:
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
    return message or {"error": _describe_exit(code, folder / ERRORS)}


def _read_last_message(pipe: IO[bytes], progress: Callable[[], object] | None) -> dict[str, Any] | None:
    """Read an empty message for each fit, and return the one at the end; None if the process ended before."""
    for line in pipe:
        message: dict[str, Any] = json.loads(line)
        if message:
            return message
        if progress:
            progress()
    return None


def _describe_exit(code: int, errors: Path) -> str:
    if code == -9:
        return "its process was killed; perhaps it needed more memory than there is"
    last = errors.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["no error output"]
    ending = f"crashed ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"
    return f"its process {ending}: {last[0]}"


# ---- in the process


def main() -> None:
    """Run a trial; the arguments are the module path (already in force), folder, name, parameters and defaults."""
    messages = os.dup(1)
    os.dup2(2, 1)  # what a method prints is no message
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folder, name = Path(sys.argv[2]), sys.argv[3]
    parameters, defaults = json.loads(sys.argv[4]), json.loads(sys.argv[5])
    try:
        message = _fit_all(folder, name, parameters, defaults, lambda: os.write(messages, b"{}\n"))
    except MemoryError:
        message = {"error": "it needed more memory than there is"}
    except (NearkinError, ValueError, TypeError, ImportError) as error:
        message = {"error": " ".join(str(error).split())}
    except Exception as error:
        message = {"error": f"{type(error).__name__}: {error}"}
    os.write(messages, json.dumps(message).encode() + b"\n")
    os._exit(0)


def _end_with_parent() -> None:
    """End the process when its parent ends, also in the middle of a fit."""
    sys.stdin.buffer.read()
    os._exit(1)


def _fit_all(
    folder: Path, name: str, parameters: dict[str, Any], defaults: dict[str, Any], progress: Callable[[], object]
) -> dict[str, Any]:
    """Fit all rows and each draw, write the labels, and return the last message."""
    rows = np.load(folder / ROWS)
    with np.load(folder / DRAWS) as file:
        draws = [file[key] for key in file.files]
    kind = plugins.load_member(GROUP, name)
    accepted = kind(**parameters).get_params()
    parameters = {key: value for key, value in defaults.items() if key in accepted} | parameters
    before = _read_peak_memory(reset=True)
    started, busy = time.perf_counter(), sum(os.times()[:4])
    labels = _fit(kind(**parameters), rows)
    seconds, cpu = time.perf_counter() - started, sum(os.times()[:4]) - busy
    after = _read_peak_memory()
    progress()
    draw_labels, draw_failure = _fit_draws(lambda: kind(**parameters), rows, draws, progress)
    arrays: dict[str, Any] = {f"draw_{number}": array for number, array in enumerate(draw_labels)}
    np.savez(folder / LABELS, labels=labels, **arrays)
    memory = None if before is None or after is None else max(after - before, 0)
    cost = {"parameters": parameters, "seconds": seconds, "cpu_seconds": cpu, "memory": memory}
    return {"labels": len(draw_labels), **cost, "draw_failure": draw_failure}


def _fit_draws(
    make: Callable[[], Any], rows: Rows, draws: Sequence[Ints], progress: Callable[[], object]
) -> tuple[list[Ints], str | None]:
    """Return the labels of the draws up to the first that fails, and the reason of that failure."""
    draw_labels: list[Ints] = []
    for draw in draws:
        try:
            draw_labels.append(_fit(make(), rows[draw]))
        except Exception as error:
            return draw_labels, f"a fit of {len(draw)} of the rows failed: {error}"
        progress()
    return draw_labels, None


def _fit(clusterer: Any, rows: Rows) -> Ints:
    labels = np.asarray(clusterer.fit(rows).labels_)
    if labels.shape != (len(rows),) or labels.dtype.kind not in "iu":
        raise ValueError(f"its labels_ are {labels.dtype} {labels.shape}, not one whole number for each of {len(rows)}")
    return labels.astype(np.int64)


def _read_peak_memory(*, reset: bool = False) -> int | None:
    """Return the most bytes that this process has held since the last `reset`; None if the system doesn't tell."""
    with suppress(OSError):  # not every system lets us reset; then the peak includes what was held before
        if reset:
            (STATUS.parent / "clear_refs").write_bytes(b"5")
    with suppress(OSError):
        for line in STATUS.read_text("utf-8", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return None
