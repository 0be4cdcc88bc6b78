"""Folders that are kept indexed: whatever changes in them becomes a job."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from retrieval.server.job_queue import JobQueue

log = logging.getLogger("nearkin.server")

MAX_DELAY_MS, PAUSE_MS = 1500, 250
"""Changes are collected until nothing changes for the pause, but for no longer than the delay."""
RETRY_SECONDS = 5.0
"""Time until a folder that can't be watched (its disk is gone) is tried again."""


def watch_folders(
    folders: Sequence[Path], jobs: JobQueue, closing: threading.Event, collection: Path | None = None
) -> None:
    """Index the folders, and again those in which something changes, in a thread of its own until `closing` is set.

    collection: its folder, in which changes don't count: indexing makes them.
    """
    if folders:
        arguments = (folders, jobs, closing, collection)
        threading.Thread(target=_run_watcher, args=arguments, name="nearkin-watch", daemon=True).start()


def _run_watcher(folders: Sequence[Path], jobs: JobQueue, closing: threading.Event, collection: Path | None) -> None:
    while not closing.is_set():
        try:
            _queue_changes(folders, jobs, closing, collection)
        except Exception as error:  # whatever it is, watching goes on
            log.warning("cannot watch the folders, trying again in %g s: %s", RETRY_SECONDS, error)
            closing.wait(RETRY_SECONDS)


def _queue_changes(folders: Sequence[Path], jobs: JobQueue, closing: threading.Event, collection: Path | None) -> None:
    from watchfiles import DefaultFilter, watch

    paths = [str(folder.resolve()) for folder in folders]
    indexed = False  # the first round indexes all folders once changes are noticed, so that none is missed
    for changes in watch(
        *paths,
        watch_filter=DefaultFilter(ignore_paths=[str(collection.resolve())] if collection else []),
        stop_event=closing,
        debounce=MAX_DELAY_MS,
        step=PAUSE_MS,
        rust_timeout=PAUSE_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    ):
        changed = [Path(path) for _, path in changes]
        for path in paths:
            if not indexed or any(file.is_relative_to(path) for file in changed):
                jobs.add("add", {"paths": [path], "metadata": None, "sync": True})
        indexed = True
