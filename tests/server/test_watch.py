"""Folders that are kept indexed become jobs: all of them at first, then those in which something changes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retrieval.server import job_queue, watch
from retrieval.server.job_queue import JobQueue
from retrieval.server.watch import watch_folders
from tests.support.serving import make_png, wait_until


@pytest.fixture
def requests() -> list[Any]:
    """What jobs were asked for, in order."""
    return []


@pytest.fixture
def jobs(tmp_path: Path, requests: list[Any]) -> Iterator[JobQueue]:
    def add(request: Any, _: Any) -> Any:
        requests.append(request)
        return {}

    queue = JobQueue(tmp_path / "jobs", {"add": add})
    queue.start()
    yield queue
    queue.close()


@pytest.fixture
def closing() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def find_watcher() -> threading.Thread | None:
    return next((thread for thread in threading.enumerate() if thread.name == "nearkin-watch"), None)


def test_all_folders_are_indexed_first_and_then_the_one_that_changes(
    tmp_path: Path, jobs: JobQueue, requests: list[Any], closing: threading.Event
) -> None:
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    watch_folders(folders, jobs, closing)
    wait_until(lambda: len(requests) == 2)
    assert requests == [{"paths": [str(folder)], "metadata": None, "sync": True} for folder in folders]
    (folders[1] / "new.png").write_bytes(make_png("red"))
    wait_until(lambda: len(requests) > 2)
    assert {request["paths"][0] for request in requests[2:]} == {str(folders[1])}
    closing.set()
    wait_until(lambda: find_watcher() is None)


def test_without_folders_no_thread_is_started(jobs: JobQueue, closing: threading.Event) -> None:
    watch_folders((), jobs, closing)
    assert find_watcher() is None


def test_what_goes_wrong_is_logged_and_tried_again(
    tmp_path: Path,
    jobs: JobQueue,
    requests: list[Any],
    closing: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(watch, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(job_queue, "MAX_WAITING", 0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    watch_folders([folder], jobs, closing)
    wait_until(lambda: "cannot watch the folders, trying again in 0.05 s: 0 jobs are waiting" in caplog.text)
    assert requests == []
    monkeypatch.setattr(job_queue, "MAX_WAITING", 1)
    wait_until(lambda: requests)
    assert requests[0]["paths"] == [str(folder)]


def test_what_happens_in_the_collection_is_no_change(
    tmp_path: Path, jobs: JobQueue, requests: list[Any], closing: threading.Event
) -> None:
    folder, inside = tmp_path / "pictures", tmp_path / "pictures" / "collection"
    inside.mkdir(parents=True)
    watch_folders([folder], jobs, closing, inside)
    wait_until(lambda: len(requests) == 1)
    (inside / "thumbnail.png").write_bytes(make_png("red"))
    (inside / "catalogue.sqlite-wal").write_bytes(b"x")
    time.sleep(1)
    assert len(requests) == 1
    (folder / "new.png").write_bytes(make_png("red"))
    wait_until(lambda: len(requests) == 2)
