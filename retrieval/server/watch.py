"""Folders that are kept indexed: whatever changes in them becomes a job."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from retrieval.server.job_queue import Jobs

log = logging.getLogger("nearkin.server")

QUIET, STEP = 1500, 250
"""Milliseconds: changes that come together are one, for so long at most; after such a pause they are over."""
AGAIN = 5.0
"""Seconds until a folder that can't be watched (a disk that is gone) is tried again."""


def watch(folders: Sequence[Path], jobs: Jobs, closing: threading.Event) -> None:
    """Index the folders, and again those in which something changes, in a thread of its own until `closing` is set."""
    if folders:
        threading.Thread(target=_follow, args=(folders, jobs, closing), name="nearkin-watch", daemon=True).start()


def _follow(folders: Sequence[Path], jobs: Jobs, closing: threading.Event) -> None:
    while not closing.is_set():
        try:
            _look(folders, jobs, closing)
        except Exception as error:  # whatever it is, the folders are looked at again
            log.warning("the folders can't be watched just now: %s", error)
            closing.wait(AGAIN)


def _look(folders: Sequence[Path], jobs: Jobs, closing: threading.Event) -> None:
    from watchfiles import watch as changes

    places = [str(folder.resolve()) for folder in folders]
    known = False  # first all, once changes are noticed: so none is missed
    for found in changes(
        *places,
        stop_event=closing,
        debounce=QUIET,
        step=STEP,
        rust_timeout=STEP,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        changed = [Path(path) for _, path in found]
        for place in places:
            if not known or any(path.is_relative_to(place) for path in changed):
                jobs.add("add", {"paths": [place], "metadata": None, "sync": True})
        known = True
