"""Workers: they share the work, outlast a database that is away, and what one of them held outlives its death."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indexers.catalogue.addresses import Address
from indexers.errors import WriteFailed, WriterBusy
from retrieval import Collection
from retrieval.work import worker
from retrieval.work.embed import EmbedWork
from tests.conftest import open_collection
from tests.support import pictures

ROOT = Path(__file__).parents[2]
PICTURES = 200
"""Of which killed workers leave some to others."""
WORK = """
import sys
from retrieval import Collection
folder, url = sys.argv[1], sys.argv[2] or None
with Collection.open(folder, catalogue_url=url, clusters=0, threads=1, wait=20) as collection:
    print("ready", flush=True)
    report = collection.work(lease=1.0, batch=4)
    print(report.done, report.failed, flush=True)
"""


def test_it_says_how_far_it_is(collection: Collection, folder: Path) -> None:
    collection.queue(folder)
    states: list[Any] = []
    collection.work(progress=states.append, batch=2)
    assert [(state.done, state.total) for state in states][-1] == (5, 5)
    assert all(state.done <= state.total for state in states)


def test_it_waits_for_work_until_it_is_stopped(collection: Collection, folder: Path) -> None:
    def stop(state: Any) -> None:
        if state.done == 5:
            raise KeyboardInterrupt
        if not queued:
            queued.append(collection.queue(folder))

    queued: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        collection.work(watch=True, progress=stop)
    assert collection.count() == 5
    assert collection.info().work is None or collection.work().done <= 5


@pytest.mark.parametrize("error", [WriterBusy("busy"), WriteFailed("the server is gone")])
def test_a_database_that_is_away_for_a_while_is_waited_for(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    collection.queue(folder)
    perform, failures = EmbedWork.perform, [error, error]

    def fail(kind: EmbedWork, rows: Any, beat: Any) -> dict[str, str]:
        if failures:
            raise failures.pop()
        return perform(kind, rows, beat)

    monkeypatch.setattr(worker, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(EmbedWork, "perform", fail)
    assert collection.work().done == 5
    monkeypatch.setattr(worker, "PATIENCE", 0.0)
    failures.append(error)
    collection.queue(folder, metadata={"n": 1})
    with pytest.raises(type(error), match=str(error)):
        collection.work()
    work = collection.info().work
    assert work
    assert (work.waiting, work.running, work.workers) == (5, 0, 0)


def test_the_lease_is_kept_while_work_goes_on(
    collection: Collection, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection.queue(folder)
    perform, beside = EmbedWork.perform, list[Any]()

    def wait(kind: EmbedWork, rows: Any, beat: Any) -> dict[str, str]:
        time.sleep(2.0)
        with collection._catalogue.work_rows() as work:
            other = work.enter("other", ["embed"], 9.0)
            beside.extend(work.claim(other, ["embed"], 9, 9.0))
            work.leave(other)
        return perform(kind, rows, beat)

    monkeypatch.setattr(EmbedWork, "perform", wait)
    assert collection.work(lease=0.8).done == 5  # a busy machine may wake the thread late
    assert beside == []


def start_worker(address: Address, folder: Path) -> subprocess.Popen[str]:
    url = "" if isinstance(address, Path) else str(address)
    place = address if isinstance(address, Path) else folder
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(place), url], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.databases
@pytest.mark.slow
def test_killed_workers_lose_nothing_and_others_go_on(make_address: Callable[[str], Address], tmp_path: Path) -> None:
    place = tmp_path / "many"
    place.mkdir()
    for number in range(PICTURES):
        pictures.noise(number, (64, 48)).save(place / f"{number}.png")
    address = make_address("c")
    with open_collection(address, create=True, embedder="tiny", clusters=0) as collection:
        assert collection.queue(place).queued == PICTURES
        seen: set[int] = set()
        for turn in range(2):
            workers = [start_worker(address, tmp_path / f"w{turn}{n}") for n in range(2)]
            started = collection.count()
            while collection.count() < min(started + 4, PICTURES):
                time.sleep(0.01)
            acknowledged = {item.id for item in collection.walk()}
            for process in workers:
                process.send_signal(signal.SIGKILL)
                process.communicate()
            seen |= acknowledged
            assert seen <= {item.id for item in collection.walk()}
        last = start_worker(address, tmp_path / "last")
        done, failed = map(int, last.communicate()[0].split())
        assert (collection.count(), failed) == (PICTURES, 0)
        assert done >= 1
        assert {item.uri for item in collection.walk()} == {str(file) for file in place.iterdir()}
        work = collection.info().work
        assert work
        assert (work.waiting, work.running, work.workers) == (0, 0, 0)
        assert collection.verify().ok


def test_two_workers_share_the_work(collection: Collection, folder: Path) -> None:
    for number in range(20):
        pictures.noise(number, (32, 24)).save(folder / f"{number}.png")
    collection.queue(folder)
    reports: list[Any] = []
    threads = [threading.Thread(target=lambda: reports.append(collection.work(batch=2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.done for report in reports) == 25
    assert collection.count() == 25
